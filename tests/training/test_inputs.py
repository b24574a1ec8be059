"""What fit, evaluate and predict take for x and y, and what they refuse before the first step."""

import datetime
import tracemalloc
from decimal import Decimal

import numpy as np
import pytest
from border import parameters

import xpnn as nn
from xpnn.backend.shared.data import not_finite

N = 40


@pytest.fixture
def data(rng):
    return rng.standard_normal((N, 4)).astype("float32"), rng.integers(0, 3, N)


def trained(x, y, classes=3, **options):
    """The parameters after two epochs."""
    model = nn.MLP((x.shape[1], 5, classes), rng=0)
    nn.fit(model, x, y, epochs=2, batch_size=16, verbose=False, **options)
    return parameters(model)


def one_by_one(x):
    """An array of arrays."""
    rows = np.empty(len(x), object)
    rows[:] = list(x)
    return rows


class Rows:
    """Rows that are read when they are needed."""

    def __init__(self, array):
        self.shape, self._array = array.shape, array

    def __getitem__(self, rows):
        return self._array[rows]


SAME = {
    "big-endian": lambda x, y: (x.astype(">f4"), y.astype(">i4")),
    "on the device": lambda x, y: (nn.asarray(x), nn.asarray(y)),
    "images on the device": lambda x, y: (nn.asarray(x), y),
    "labels on the device": lambda x, y: (x, nn.asarray(y)),
    "Python objects": lambda x, y: (x.astype(object), y.astype(object)),
    "lists": lambda x, y: (x.tolist(), y.tolist()),
    "rows one by one": lambda x, y: (one_by_one(x), [np.array(label) for label in y]),
    "decimal": lambda x, y: ([[Decimal(float(value)) for value in row] for row in x], y),
    "long": lambda x, y: (x.astype("longdouble"), y.astype("uint8")),
    "columns first": lambda x, y: (np.asfortranarray(x), y[::-1].copy()[::-1]),
}


@pytest.mark.parametrize("form", SAME)
def test_the_same_numbers_give_the_same_network(data, form):
    x, y = SAME[form](*data)
    model = nn.MLP((4, 5, 3), rng=0)
    nn.fit(model, x, y, epochs=2, batch_size=16, validation=(x, y), verbose=False)
    np.testing.assert_array_equal(parameters(model), trained(*data))
    np.testing.assert_array_equal(nn.predict(model, x), nn.predict(model, data[0]))
    assert nn.evaluate(model, x, y) == nn.evaluate(model, *data)


@pytest.mark.parametrize("dtype", [None, ">f8", ">i8"])
def test_an_array_of_the_backend_has_the_machine_s_byte_order(dtype):
    for data in (np.arange(3, dtype=">i4"), np.arange(3, dtype=">f8")):
        array = nn.asarray(data, dtype)
        assert array.dtype.isnative
        assert nn.to_numpy(array).tolist() == [0, 1, 2]


@pytest.mark.parametrize(("last", "loss"), [(nn.Softmax, nn.SoftmaxCrossEntropy), (nn.Sigmoid, nn.BinaryCrossEntropy)])
def test_probabilities_where_a_loss_takes_logits(data, last, loss):
    x, y = data[0], np.eye(3)[data[1]]
    model = nn.Sequential(nn.Dense(4, 3, rng=0), last())
    with pytest.warns(UserWarning, match=r"takes logits and applies the function itself: remove the model's last la"):
        nn.fit(model, x, y, loss=loss(), epochs=1, verbose=False)


def test_both_sorts_of_validation_data(data):
    with pytest.raises(ValueError, match="expected validation or validation_split, got both"):
        trained(*data, validation=data, validation_split=0.2)


def test_truth_values_are_labels_and_inputs(data):
    x, y = data[0] > 0, data[1] > 0
    np.testing.assert_array_equal(trained(x, y, 2), trained(x.astype("float32"), y.astype(int), 2))
    table = np.column_stack([data[0].astype(object), x[:, :1].astype(object)])  # as a table of both kinds gives it
    assert {type(value) for value in table[0]} == {float, bool}
    np.testing.assert_array_equal(trained(table, y, 2), trained(table.astype("float32"), y, 2))


@pytest.mark.parametrize("given", [["a", "b"], ["1.5", "2.5"], [1.0, "1.5"]])
@pytest.mark.parametrize("dtype", [object, str])
def test_what_is_no_number(given, dtype):
    text = (
        f"expected numbers, got '{given[-1]}' in row 0, column 1|expected numbers, got '{given[0]}' in row 0, column 0"
    )
    text = text if dtype is object else "expected x to hold numbers, got dtype <U"
    with pytest.raises(TypeError, match=rf"predict: (x: )?({text}).*np.unique\(y, return_inverse=True\)"):
        nn.predict(nn.MLP((2, 3)), np.array([given], dtype))


@pytest.mark.parametrize(
    ("x", "text"),
    [
        ({"a": [1.0]}, "expected an array or a list, got dict"),
        (
            np.array([[1.0, datetime.date.today()]], object),
            r"expected numbers, got datetime.date\(.* in row 0, column 1",
        ),
        (np.ma.masked_equal([[1.0, 2.0]], 2), "expected an array without masked elements"),
        (np.array([(1.0, 2.0)], [("a", float), ("b", float)]), "expected x to hold numbers, got .*np.stack"),
        (3.0, "expected x to have an axis of samples, got a single number"),
        ([np.ones((2, 2)), np.ones((0, 2))], "sequence 1 has no steps"),
    ],
)
def test_what_is_no_array(x, text):
    with pytest.raises((TypeError, ValueError), match=f"^predict: (x: )?{text}"):
        nn.predict(nn.MLP((2, 3)), x)


def test_none_among_numbers_is_missing():
    with pytest.raises(ValueError, match="predict: x holds NaN or infinity in row 0"):
        nn.predict(nn.MLP((2, 3)), [[1.0, None]])


class TestOneHot:
    def test_rows_are_labels(self, data):
        x, y = data
        hot = np.eye(3)[y]
        np.testing.assert_allclose(trained(x, hot), trained(x, y), rtol=1e-4, atol=1e-6)
        model = nn.MLP((4, 5, 3), rng=0)
        assert nn.evaluate(model, x, hot) == pytest.approx(nn.evaluate(model, x, y), rel=1e-5)
        named = nn.evaluate(model, x, hot, loss=nn.SoftmaxCrossEntropy())
        assert named == nn.evaluate(model, x, hot)

    @pytest.mark.parametrize("spoil", [(0, slice(None), 1), (7, 2, 0.5), (7, slice(None), 0), (7, 0, -1)])
    def test_one_row_that_is_not(self, data, spoil):
        x, y = data
        targets = np.eye(3)[y]
        targets[spoil[0], spoil[1]] = spoil[2]
        assert nn.evaluate(nn.MLP((4, 5, 3)), x, targets).accuracy is None

    def test_the_loss_that_is_named_is_taken(self, data):
        x, y = data
        hot = np.eye(3)[y]
        model = nn.MLP((4, 5, 3), rng=0)
        squares = 0.5 * ((nn.predict(model, x) - hot) ** 2).sum(1).mean()
        assert nn.evaluate(model, x, hot, loss=nn.HalfSquaredError()).loss == pytest.approx(squares, rel=1e-5)

    def test_as_many_columns_as_logits(self, data):
        x, y = data
        with pytest.raises(ValueError, match=r"probabilities of shape \(16, 4\), got \(16, 3\)"):
            trained(x, np.eye(3)[y], 4)

    def test_a_column_of_zeros_and_ones_is_for_regression(self, data):
        assert nn.evaluate(nn.MLP((4, 1)), data[0], (data[1][:, None] > 0).astype(float)).accuracy is None


class TestNotFinite:
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("what", ["x", "y"])
    @pytest.mark.parametrize("carry", [np.asarray, lambda a: nn.asarray(a, "float64")])
    def test_the_row_is_named(self, what, value, carry):
        x, y = np.ones((N, 2)), np.ones((N, 1))
        (x if what == "x" else y)[13, -1] = value
        with pytest.raises(ValueError, match=f"{what} holds NaN or infinity in row 13$"):
            nn.evaluate(nn.MLP((2, 1)), carry(x), carry(y))

    @pytest.mark.parametrize("value", [1e39, -1.7e308])
    @pytest.mark.parametrize("call", ["fit", "evaluate", "predict", "validation"])
    def test_values_beyond_the_model_s_dtype(self, value, call):
        x, y = np.ones((N, 2)), np.ones((N, 1))
        far = x.copy()
        far[13, 1] = value
        calls = {
            "fit": lambda model: nn.fit(model, far, y, epochs=1, verbose=False),
            "evaluate": lambda model: nn.evaluate(model, far, y),
            "predict": lambda model: nn.predict(model, far),
            "validation": lambda model: nn.fit(model, x, y, epochs=1, validation=(far, y), verbose=False),
        }
        with pytest.raises(ValueError, match=f"{call}: x holds a value beyond float32 in row 13$"):
            calls[call](nn.MLP((2, 1)))
        if call != "fit":
            model = nn.Sequential(nn.Dense(2, 1, rng=0, dtype="float64"), nn.Tanh())
            calls[call](model)  # float64 holds it

    def test_the_largest_float32_is_within(self):
        assert not_finite(np.array([[np.finfo("float32").max]], "float64"), "float32") is None
        assert not_finite(np.array([[3.5e38]]), "float32") == (0, True)

    @pytest.mark.parametrize("shape", [(1,), (1 << 19,), (3, 1 << 19), (5000, 100), (5000, 2, 50), (7, 0, 2)])
    def test_every_row_is_looked_at(self, shape):
        x = np.zeros(shape)
        assert not_finite(x, "float32") is None
        if x.size:
            x[-1, ...] = np.inf
            assert not_finite(x, "float64") == (len(x) - 1, False)

    @pytest.mark.skipif(nn.xp is not np, reason="host memory")
    def test_the_check_takes_no_memory_of_the_data_s_size(self):
        x = np.zeros((1 << 14, 1 << 10), "float32")  # 64 MiB
        tracemalloc.start()
        not_finite(x, "float32")
        not_finite(x[:, ::-1], "float64")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8 << 20


class TestBeforeTheFirstStep:
    """The optimiser has made no step, and nothing has been printed."""

    @pytest.fixture(autouse=True)
    def nothing_done(self, capsys):
        self.optimizer = nn.SGD(0.1)
        yield
        assert self.optimizer.steps == 0
        assert capsys.readouterr().out == ""

    def refused(self, x, y, match, model=None, error=ValueError, **options):
        with pytest.raises(error, match=match):
            nn.fit(model or nn.MLP((4, 5, 3), rng=0), x, y, optimizer=self.optimizer, batch_size=16, **options)

    @pytest.mark.parametrize("place", [0, 17, N - 1])
    @pytest.mark.parametrize("label", [-1, 3])
    def test_a_label_out_of_range(self, data, place, label):
        x, y = data
        wrong = y.copy()
        wrong[place] = label
        self.refused(x, wrong, r"^fit: SoftmaxCrossEntropy\(\): a label lies outside \[0, 3\)")
        self.refused(x, y, r"^fit: validation: .* outside \[0, 3\)", validation=(x, wrong))

    def test_labels_of_sequences(self, rng):
        x, y = rng.integers(0, 4, (N, 6)), rng.integers(0, 4, (N, 6))
        y[23, 5] = 5
        self.refused(x, y, r"outside \[0, 5\)", nn.CharRNN("abcd\n", 4, 3))

    def test_a_width(self, data):
        x, y = data
        self.refused(x[:, :3], y, r"^fit: Dense\(4, 5\): expected input of shape")
        self.refused(x, y, r"^fit: validation: Dense\(4, 5\): expected .*, got \(2, 3\)", validation=(x[:, :3], y))

    def test_targets(self, data):
        x, y = data
        self.refused(x, y[:, None].repeat(2, 1), r"integer labels of shape \(16,\), got \(16, 2\)")
        self.refused(x, y, "^fit: validation: ", validation=(x, y[:, None].repeat(2, 1)))
        self.refused(x, y, "^fit: validation: ", validation=(x, np.ones((N, 2))))
        self.refused(x, y.astype(float)[:, None], "HalfSquaredError", validation=(x, y))

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"drop_last": True}, "^fit: drop_last leaves no batch of 16 from 8 samples"),
            ({"sample_weight": np.zeros(8)}, "^fit: all weights are 0"),
            ({"class_weight": {0: 1e300}}, "^fit: class_weight: expected weights that float32 holds"),
        ],
    )
    def test_settings_that_leave_nothing_to_train_by(self, data, options, match):
        x, y = data
        self.refused(x[:8], y[:8], match, **options)

    def test_what_is_missing_or_of_another_sort(self, data):
        x, y = data
        self.refused(None, y, "^fit: expected arrays x and y, .* got None for x", error=TypeError)
        weights = {"sample_weight": np.ones(N)}
        self.refused([(x, y)], None, r"^fit: weights and lengths are for arrays: .* \(x, y, weights\)", **weights)
        self.refused(Rows(x), y[:-1], f"^fit: x has {N} samples, y has {N - 1}")
        self.refused(x, y, "^fit: expected on_epoch_end to be a function .*, got 3", error=TypeError, on_epoch_end=3)
        several = nn.Graph({"y": (nn.Concat(1), "x", "z")}, inputs=("x", "z"))
        self.refused(x, y, "^fit: expected x to be a tuple, or a dict, of the inputs x, z", several)

    @pytest.mark.parametrize(("samples", "batch_size"), [(33, 16), (33, 32), (1, 16), (12, 1)])
    @pytest.mark.parametrize("rows", [np.asarray, Rows])
    def test_a_batch_of_one_for_batch_normalisation(self, data, samples, batch_size, rows):
        x, y = (part[:samples] for part in data)
        x = rows(x)
        model = nn.Sequential(nn.Dense(4, 5, rng=0), nn.BatchNorm1D(5), nn.Dense(5, 3, rng=1))
        before = nn.to_numpy(model.buffers["1.running_mean"]).copy()
        with pytest.raises(
            ValueError, match=r"BatchNorm1D\(5\): expected at least two values per channel .*, got shape \(1, 5\)"
        ):
            nn.fit(model, x, y, optimizer=self.optimizer, batch_size=batch_size)
        np.testing.assert_array_equal(nn.to_numpy(model.buffers["1.running_mean"]), before)


def test_batches_of_one_that_batch_normalisation_takes(data, rng):
    x, y = data
    norm = nn.Sequential(nn.Dense(4, 5, rng=0), nn.BatchNorm1D(5), nn.Dense(5, 3, rng=1))
    nn.fit(norm, x, y, epochs=1, batch_size=16, validation=(x[:1], y[:1]), verbose=False)  # inference
    nn.fit(norm, x, y, epochs=1, batch_size=13, drop_last=True, verbose=False)
    images = nn.Sequential(nn.BatchNorm2D(1), nn.Flatten(), nn.Dense(4, 3, rng=0))
    nn.fit(images, x.reshape(N, 1, 2, 2), y, epochs=1, batch_size=39, verbose=False)

    class Frozen(nn.Layer):
        def forward(self, x, needs_dx=True):
            return norm[:2](x), lambda dy: None

    nn.fit(nn.Sequential(Frozen(), nn.Dense(5, 3, rng=0)), x, y, epochs=1, batch_size=13, verbose=False)


def test_the_look_ahead_changes_nothing(data):
    class Counting(nn.Dropout):
        modes = ()

        def forward(self, x, needs_dx=True):
            self.modes += (nn.inferring(),)
            return super().forward(x, needs_dx)

    layer = Counting(0.5, rng=0)
    model = nn.Sequential(nn.Dense(4, 5, rng=0), layer, nn.Dense(5, 3, rng=1))
    nn.fit(model, *data, epochs=1, batch_size=20, verbose=False)
    assert layer.modes == (True, True, False, False)
    other = nn.Sequential(nn.Dense(4, 5, rng=0), nn.Dropout(0.5, rng=0), nn.Dense(5, 3, rng=1))
    optimizer, loss = nn.Adam(), nn.SoftmaxCrossEntropy()
    for x, y in nn.data.batches(*data, 20, rng=0):
        outputs, backward = other.forward(nn.asarray(x))
        backward(loss.forward(outputs, nn.asarray(y))[1]())
        optimizer.step(other)
    np.testing.assert_array_equal(parameters(model), parameters(other))
