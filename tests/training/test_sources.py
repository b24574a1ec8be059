"""Where batches come from: the same samples, given in any way, train the same network."""

import threading
from collections import UserList

import numpy as np
import pytest
from border import parameters

import xpnn as nn
from xpnn.data.reader import read_ahead

N = 40


@pytest.fixture
def data(rng):
    return rng.standard_normal((N, 4)).astype("float32"), rng.integers(0, 3, N)


def fitted(*given, model=None, **options):
    """The parameters after two epochs, and the history."""
    model = model or nn.MLP((4, 5, 3), rng=0)
    history = nn.fit(model, *given, epochs=2, verbose=False, **({"batch_size": 16} | options))
    return parameters(model), history


class Rows:
    """What a file of arrays offers: a shape, and rows by ascending indices."""

    def __init__(self, array):
        self._array, self.shape = array, array.shape

    def __len__(self):
        return len(self._array)

    def __getitem__(self, rows):
        assert isinstance(rows, slice) or (np.diff(rows) > 0).all()
        return self._array[rows]


class Tensor:
    """A tensor of another library, on the host."""

    def __init__(self, array):
        self._array = array

    def __array__(self, dtype=None, copy=None):
        return np.array(self._array, dtype)


def mapped(array, folder):
    np.save(folder / "x.npy", array)
    return np.load(folder / "x.npy", mmap_mode="r")


def sparse(array, folder):
    return pytest.importorskip("scipy.sparse").csr_matrix(array)


BY_ROWS = {
    "rows of a file": lambda array, folder: Rows(array),
    "a memory map": mapped,
    "a sparse matrix": sparse,
    "a tensor": lambda array, folder: Tensor(array),
    "float16": lambda array, folder: array.astype("float16").astype("float64"),
}


@pytest.mark.parametrize("form", BY_ROWS)
def test_the_same_rows_train_the_same_network(data, form, tmp_path):
    x = data[0].astype("float16").astype("float32")
    given, model = BY_ROWS[form](x, tmp_path), nn.MLP((4, 5, 3), rng=0)
    np.testing.assert_array_equal(fitted(given, data[1])[0], fitted(x, data[1])[0])
    np.testing.assert_array_equal(nn.predict(model, given), nn.predict(model, x))
    assert nn.evaluate(model, given, data[1]) == nn.evaluate(model, x, data[1])


class TestBatches:
    def of(self, data):
        return [tuple(part[start : start + 16] for part in data) for start in range(0, N, 16)]

    @pytest.mark.parametrize(
        "form",
        [
            lambda batches: batches,
            lambda batches: lambda: iter(batches),
            lambda batches: UserList(batches),
            lambda batches: [{"image": x, "label": y} for x, y in batches],
            lambda batches: [{"x": x, "y": y, "more": None} for x, y in batches],
            lambda batches: [(nn.asarray(x), nn.asarray(y)) for x, y in batches],
            lambda batches: [(x, y, np.ones(len(y))) for x, y in batches],
        ],
        ids=["list", "function", "no list", "named", "x and y", "on the device", "weights of 1"],
    )
    def test_a_pass_is_the_batches_in_order(self, data, form):
        model, optimizer, loss = nn.MLP((4, 5, 3), rng=0), nn.Adam(), nn.SoftmaxCrossEntropy()
        for x, y in self.of(data) * 2:
            outputs, backward = model.forward(nn.asarray(x))
            backward(loss.forward(outputs, nn.asarray(y))[1]())
            optimizer.step(model)
        np.testing.assert_allclose(fitted(form(self.of(data)))[0], parameters(model), rtol=2e-5, atol=1e-7)

    def test_a_loader_may_reuse_its_arrays(self, data):
        """Two batches are read ahead: these would have been overwritten before they were computed with."""

        def batches():
            x, y = (np.empty((16, *part.shape[1:]), part.dtype) for part in data)
            for start in range(0, N - 15, 16):
                x[:], y[:] = (part[start : start + 16] for part in data)
                yield x, y

        np.testing.assert_array_equal(fitted(batches)[0], fitted(self.of(data)[: N // 16])[0])
        model = nn.MLP((4, 5, 3), rng=0)
        expected = np.concatenate([nn.predict(model, x) for x, _ in self.of(data)[: N // 16]])
        np.testing.assert_array_equal(nn.predict(model, lambda: ((x, None) for x, _ in batches())), expected)

    def test_a_py_dataset_is_told_of_the_end_of_each_pass(self, data):
        class Shuffled:
            ends = 0

            def __len__(self):
                return 2

            def __getitem__(self, index):
                return tuple(part[index :: 2 + self.ends] for part in data)

            def on_epoch_end(self):
                self.ends += 1

        batches = Shuffled()
        fitted(batches)
        assert batches.ends == 2

    def test_indices_without_an_iterator(self, data):
        batches = self.of(data)

        class Indexed:  # as Keras' PyDataset, which raises no IndexError
            def __len__(self):
                return len(batches)

            def __getitem__(self, index):
                return batches[index % 3]

        np.testing.assert_array_equal(fitted(Indexed())[0], fitted(batches)[0])

    def test_they_are_evaluated_and_predicted(self, data):
        model, batches = nn.MLP((4, 5, 3), rng=0), self.of(data)
        assert nn.evaluate(model, batches) == pytest.approx(nn.evaluate(model, *data))
        outputs = nn.predict(model, *data[:1])
        np.testing.assert_allclose(nn.predict(model, iter(batches)), outputs, rtol=1e-6)
        np.testing.assert_allclose(nn.predict(model, (x for x, _ in batches)), outputs, rtol=1e-6)
        history = fitted(batches, validation=batches)[1]
        assert history[-1]["val_loss"] == pytest.approx(fitted(*data, validation=data)[1][-1]["val_loss"], rel=0.1)

    def test_a_generator_serves_one_pass(self, data):
        model = nn.MLP((4, 5, 3), rng=0)
        assert len(nn.fit(model, iter(self.of(data)), epochs=1, verbose=False)) == 1
        with pytest.raises(ValueError, match="fit: there were no batches .* give the function that makes it"):
            fitted(iter(self.of(data)))

    @pytest.mark.parametrize(
        ("batches", "error", "message"),
        [
            ([], ValueError, "there were no batches"),
            ([(np.ones((2, 4)),)], TypeError, r"batch 1: expected a batch \(x, y\) or \(x, y, weights\), got 1"),
            ([{"a": 1, "b": 2}], ValueError, "batch 1: expected a column of inputs and one called y, .*, got a, b"),
            ([(np.ones((2, 4)), np.zeros(3, int))], ValueError, "batch 1: x has 2 samples, y has 3"),
            (7, TypeError, "got int"),
            (np.ones((2, 4)), ValueError, "x is an array, so y must be given"),
        ],
    )
    def test_what_are_no_batches(self, batches, error, message):
        with pytest.raises(error, match=f"^fit: .*{message}"):
            fitted(batches)

    def test_what_is_not_finite_names_its_batch(self, data):
        batches = self.of(data)
        batches[1][0][3, 0] = np.nan
        with pytest.raises(ValueError, match="fit: batch 2: x holds NaN or infinity in row 3"):
            fitted(batches)

    def test_an_error_of_theirs_is_raised_as_it_is(self, data):
        def broken():
            yield from self.of(data)[:1]
            raise OSError("the disk is gone")

        with pytest.raises(OSError, match="the disk is gone"):
            fitted(broken)


def test_what_is_not_finite_in_a_file_names_its_row(data, tmp_path):
    x, y = data
    x[23, 2] = np.inf
    with pytest.raises(ValueError, match="^fit: x holds NaN or infinity in row 23"):
        fitted(mapped(x, tmp_path), y)
    with pytest.raises(ValueError, match="^evaluate: x holds NaN or infinity in row 23"):
        nn.evaluate(nn.MLP((4, 5, 3)), mapped(x, tmp_path), y, batch_size=8)


def test_a_data_set_with_named_columns(data):
    x, y = data

    class Table:  # as Hugging Face's: rows by a list of indices, as a dict of columns
        column_names = ("pixels", "label")

        def __len__(self):
            return N

        def __getitem__(self, rows):
            assert isinstance(rows, list)
            return {"pixels": x[rows].tolist(), "label": y[rows].tolist()}

    np.testing.assert_array_equal(fitted(Table())[0], fitted(x, y)[0])


def test_sequences_of_different_lengths(rng):
    x = [rng.standard_normal((steps, 2)).astype("float32") for steps in rng.integers(1, 9, N)]
    y = np.array([len(sequence) % 2 for sequence in x])
    model = nn.RNNClassifier(2, 5, 2, cell=nn.GRU, rng=0)
    alone = np.concatenate([nn.predict(model, sequence[None]) for sequence in x])
    np.testing.assert_allclose(nn.predict(model, x), alone, rtol=1e-5, atol=1e-6)
    padded, lengths = nn.pad(x)
    np.testing.assert_array_equal(nn.predict(model, padded, lengths=lengths), nn.predict(model, x))
    by_list, history = fitted(x, y, model=model, validation=(x, y))
    again = nn.RNNClassifier(2, 5, 2, cell=nn.GRU, rng=0)
    by_lengths, rows = fitted(padded, y, model=again, lengths=lengths, validation=(padded, y, None, lengths))
    np.testing.assert_array_equal(by_lengths, by_list)
    assert rows.column("val_loss") == history.column("val_loss")
    assert history[-1]["val_loss"] == pytest.approx(nn.evaluate(model, x, y).loss, rel=1e-6)
    with pytest.raises(ValueError, match="fit: MLP does not take sequences of different lengths"):
        fitted(x, y)
    with pytest.raises(ValueError, match=r"fit: expected 40 lengths, one for each sample, got \(39,\)"):
        fitted(padded, y, model=model, lengths=lengths[1:])
    with pytest.raises(TypeError, match="fit: expected lengths as whole numbers, got dtype float64"):
        fitted(padded, y, model=model, lengths=lengths.astype(float))


def test_a_label_for_each_step_of_sequences(rng):
    x = [rng.integers(0, 4, steps) for steps in rng.integers(1, 9, N)]
    model = nn.Sequential(nn.Embedding(4, 3, rng=0), nn.LSTM(3, 5, True, rng=1), nn.Dense(5, 4, rng=2))
    score = nn.evaluate(model, x, x, metrics={"labels": lambda y, outputs: len(y)})
    assert score.metrics["labels"] == sum(map(len, x))
    errors = [nn.evaluate(model, one[None], one[None]).loss for one in x]
    assert score.loss == pytest.approx(np.average(errors, weights=[len(one) for one in x]), rel=1e-5)
    fitted(x, x, model=model, metrics=["top_2"])


def test_a_sequence_has_as_many_labels_as_steps():
    model = nn.Sequential(nn.Embedding(4, 3, rng=0), nn.LSTM(3, 5, True, rng=1), nn.Dense(5, 4, rng=2))
    x, padded = [np.arange(4), np.arange(2)], np.zeros((2, 4), int)
    for labels in (1, 3):  # that is missing was taken for class 0, one too many left out
        y = [np.arange(4), np.arange(labels)]
        for caller, batches in (("fit", (x, y)), ("fit: batch 1", ([(x, y)],))):
            with pytest.raises(ValueError, match=f"{caller}: sequence 1 has 2 steps in x, {labels} in y"):
                nn.fit(model, *batches, epochs=1, verbose=False)
        with pytest.raises(ValueError, match=f"sequence 1 has 2 steps in x, {labels} in y"):
            nn.evaluate(model, padded, y, lengths=[4, 2])
        with pytest.raises(ValueError, match="batch 1: the sequences of y differ in length, those of x do not"):
            nn.evaluate(model, [(padded, y)])
    with pytest.raises(ValueError, match="sequence 0 has 4 steps in x, 3 in weights"):
        nn.evaluate(model, x, x, sample_weight=[np.ones(3), np.ones(2)])


def test_outputs_with_another_axis_than_the_steps(rng):
    """A forecast of four steps, from sequences that may be shorter, counts whole."""
    xs, y = [rng.standard_normal((steps, 2)) for steps in (1, 2, 3, 5)], rng.standard_normal((4, 4, 3))
    model = nn.Sequential(nn.GRU(2, 5, rng=0), nn.Dense(5, 12, rng=1), nn.Reshape(4, 3))
    errors = [(nn.predict(model, x[None]) - target) ** 2 for x, target in zip(xs, y, strict=True)]
    for batch_size in (4, 2):
        score = nn.evaluate(model, xs, y, loss=nn.MeanSquaredError(), batch_size=batch_size)
        assert score.loss == pytest.approx(np.mean(errors), rel=1e-5)


def test_sequences_beside_other_inputs(rng):
    """Questions and answers of different lengths, and a table, as each of them gives alone."""
    model = nn.Graph(
        {
            **{"q": (nn.GRU(2, 4, rng=0), "question"), "a": (nn.GRU(2, 4, rng=1), "answer")},
            **{"t": (nn.Dense(3, 4, rng=2), "table"), "y": (nn.Concat(), "q", "a", "t"), "z": nn.Dense(12, 2, rng=3)},
        },
        inputs=("question", "answer", "table"),
    )
    ends = (2, 5, 1, 3), (7, 1, 4, 2)
    question, answer = ([rng.standard_normal((steps, 2)) for steps in one] for one in ends)
    table, y = rng.standard_normal((4, 3)), np.array([0, 1, 1, 0])
    alone = [nn.predict(model, (q[None], a[None], t[None]))[0] for q, a, t in zip(question, answer, table, strict=True)]
    padded = nn.pad(question)[0], nn.pad(answer)[0], table
    both = {"lengths": (*map(np.array, ends), None)}, {"lengths": dict(zip(model.inputs, ends, strict=False))}
    for x, options in ((question, answer, table), {}), *((padded, one) for one in both):
        np.testing.assert_allclose(nn.predict(model, x, batch_size=3, **options), alone, rtol=1e-5, atol=1e-6)
        loss = nn.SoftmaxCrossEntropy()(nn.asarray(np.array(alone)), nn.asarray(y))
        assert nn.evaluate(model, x, y, batch_size=3, **options).loss == pytest.approx(float(loss), rel=1e-5)
    before = parameters(model)
    nn.fit(model, (question, answer, table), y, epochs=1, validation_split=0.25, verbose=False)
    assert (parameters(model) != before).mean() > 0.9
    short = nn.pad([sequence[:2] for sequence in question])  # one array of lengths is that of all but the table
    x = short[0], short[0], table
    of_both = nn.predict(model, x, lengths=(short[1], short[1], None))
    np.testing.assert_array_equal(nn.predict(model, x, lengths=short[1]), of_both)
    for wrong in ({"qestion": ends[0]}, ends):
        with pytest.raises(
            ValueError, match="predict: expected lengths, or None, for each of the inputs question, answer"
        ):
            nn.predict(model, padded, lengths=wrong)


@pytest.mark.parametrize(
    ("loss", "shape"), [(nn.HalfSquaredError(), ()), (nn.HalfSquaredError(), 4), (nn.Huber(), 4), (nn.Huber(), (4, 6))]
)
def test_padded_steps_count_nowhere(loss, shape, rng):
    """The mean over sequences, of which each is as alone, does not depend on the batch that they are padded in."""
    xs = [rng.standard_normal((steps, 2)) for steps in (1, 6, 2, 3)]
    x, lengths = nn.pad(xs)
    y = rng.standard_normal((4, 8, 1))[:, :6]  # not 0 in the padding
    w = rng.random(shape) if shape else None
    model = nn.Sequential(nn.GRU(2, 5, True, rng=0), nn.Dense(5, 1, rng=1))
    values, counts = [], []
    for n, one in enumerate(xs):
        targets = nn.asarray(y[None, n, : len(one)], "float32")
        own = () if w is None else (nn.asarray(w[n : n + 1, : len(one)] if w.ndim > 1 else w[n : n + 1], "float32"),)
        values.append(float(loss(nn.asarray(nn.predict(model, one[None])), targets, *own)))
        counts.append(float(loss.weight(targets, *own)))
    for batch_size in (1, 2, 4):
        score = nn.evaluate(model, x, y, loss=loss, lengths=lengths, sample_weight=w, batch_size=batch_size)
        assert score.loss == pytest.approx(np.average(values, weights=counts), rel=1e-5)


def test_integers_that_are_no_symbols_are_numbers(data):
    x = np.arange(N * 4).reshape(N, 4) % 7
    np.testing.assert_array_equal(fitted(x.astype("uint8"), data[1])[0], fitted(x.astype("float32"), data[1])[0])
    np.testing.assert_array_equal(nn.predict(nn.MLP((4, 2), rng=0), x), nn.predict(nn.MLP((4, 2), rng=0), x * 1.0))


class TestTargets:
    def test_a_number_a_sample_for_one_output(self, data):
        x, y = data[0], data[0][:, 0]
        one = [fitted(x, targets, model=nn.MLP((4, 5, 1), rng=0))[0] for targets in (y, y[:, None])]
        np.testing.assert_array_equal(*one)

    def test_labels_in_a_column_and_one_hot_integers(self, data):
        x, y = data
        np.testing.assert_array_equal(fitted(x, y[:, None])[0], fitted(x, y)[0])
        np.testing.assert_array_equal(fitted(x, np.eye(3, dtype=int)[y], loss=nn.SoftmaxCrossEntropy())[0],
                                      fitted(x, np.eye(3)[y])[0])  # fmt: skip

    def test_integers_for_a_regression(self, data):
        x, y = data
        for loss in (nn.HalfSquaredError(), nn.MeanSquaredError(), nn.Huber()):
            made = [fitted(x, t, model=nn.MLP((4, 5, 1), rng=0), loss=loss)[0] for t in (y, y[:, None] * 1.0)]
            np.testing.assert_array_equal(*made)


class TestWeights:
    def test_a_weight_of_two_is_a_sample_that_comes_twice(self, data):
        x, y = data
        weights = np.arange(N) % 3
        rows = np.repeat(np.arange(N), weights)
        options = {"batch_size": 2 * N, "validation": (x, y, weights), "model": nn.MLP((4, 5, 3), rng=0)}
        weighted, history = fitted(x, y, sample_weight=weights, metrics=["accuracy", "f1"], **options)
        options = {"batch_size": 2 * N, "validation": (x[rows], y[rows]), "model": nn.MLP((4, 5, 3), rng=0)}
        repeated, wanted = fitted(x[rows], y[rows], metrics=["accuracy", "f1"], **options)
        np.testing.assert_allclose(weighted, repeated, rtol=1e-4, atol=1e-6)
        for row, other in zip(history, wanted, strict=True):
            assert row | {"seconds": 0} == pytest.approx(other | {"seconds": 0}, rel=1e-4)
        model = nn.MLP((4, 5, 3), rng=0)
        assert nn.evaluate(model, x, y, sample_weight=weights) == pytest.approx(
            nn.evaluate(model, x[rows], y[rows]), rel=1e-5
        )

    @pytest.mark.parametrize("given", ["balanced", {0: 3.0}, [1.0, 0.0, 2.0]])
    def test_a_class_s_weight_is_that_of_its_samples(self, data, given):
        x, y = data
        of_samples = nn.class_weights(y, given, 3)[y]
        by_class = fitted(x, y, class_weight=given, validation=(x[:9], y[:9]))
        by_sample = fitted(x, y, sample_weight=of_samples, validation=(x[:9], y[:9], of_samples[:9]))
        np.testing.assert_allclose(by_class[0], by_sample[0], rtol=1e-6)
        assert by_class[1].column("val_loss") == pytest.approx(by_sample[1].column("val_loss"), rel=1e-6)

    def test_a_one_hot_row_has_its_class_s_weight(self, data):
        x, y = data
        for given in ("balanced", {2: 3.0}):
            wanted, _ = fitted(x, y, class_weight=given)
            for rows in (np.eye(3)[y], np.eye(3, dtype=int)[y]):
                np.testing.assert_allclose(fitted(x, rows, class_weight=given)[0], wanted, rtol=1e-5, atol=1e-6)

    def test_weights_of_the_classes_0_and_1_of_one_output(self, data):
        x, y = data[0], (data[1] > 1).astype(int)
        options = {"loss": nn.BinaryCrossEntropy(), "metrics": ["f1"]}
        for given, targets in (("balanced", y), ({1: 3.0}, y[:, None]), ([0.5, 2.0], y > 0)):
            weights, models = nn.class_weights(y, given, 2)[y], [nn.MLP((4, 5, 1), rng=0) for _ in range(2)]
            by_class = fitted(x, targets, model=models[0], class_weight=given, validation=(x, targets), **options)
            options |= {"validation": (x, y, weights)}
            by_sample = fitted(x, y, model=models[1], sample_weight=weights, **options)
            np.testing.assert_allclose(by_class[0], by_sample[0], rtol=1e-6)
            assert by_class[1].column("val_f1") == pytest.approx(by_sample[1].column("val_f1"))
            del options["validation"]

    @pytest.mark.parametrize(("label", "weight"), [(-100, 1.0), (0, 0.0)])
    def test_a_batch_of_which_nothing_counts_adds_nothing(self, data, label, weight):
        x, y = data
        some = [(x[i : i + 8], y[i : i + 8], np.ones(8, "f")) for i in range(0, N, 8)]
        none = (x[:8], np.full(8, label), np.full(8, weight, "f"))
        runs = [some, [*some[:2], none, *some[2:]], [none]]
        (without, wanted), (model, found), (_, nothing) = (fitted(batches, optimizer=nn.SGD(0.1)) for batches in runs)
        np.testing.assert_array_equal(model, without)
        assert found.column("loss") == wanted.column("loss")
        assert np.isnan(nothing.column("loss")).all()

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"sample_weight": np.ones(3)}, "x has 40 samples, weights has 3"),
            ({"sample_weight": -np.ones(N)}, "expected weights of at least 0, got -1.0"),
            ({"sample_weight": np.full(N, np.nan)}, "weights holds NaN"),
            ({"sample_weight": np.ones((N, 2))}, r"expected weights of shape \(40,\), got \(40, 2\)"),
            ({"class_weight": {7: 1.0}}, "classes from 0 to 2, got 7"),
            (
                {"class_weight": {1: 2.0}, "model": nn.MLP((4, 1)), "loss": nn.MeanSquaredError()},
                r"class_weight: expected one label per sample, got targets float32 \(40, 1\) for MeanSquaredError\(\)",
            ),
        ],
    )
    def test_wrong_weights(self, data, options, message):
        with pytest.raises(ValueError, match=f"^fit: .*{message}"):
            fitted(*data, **options)


def test_several_batches_for_a_step_are_one_batch(data):
    x, y = data
    weights = np.linspace(0, 2, N)
    for optimizer in (nn.SGD(0.5), nn.Adam()):
        options = {"sample_weight": weights, "max_norm": 0.1}
        small = fitted(x, y, optimizer=optimizer, batch_size=4, accumulate=5, **options)
        large = fitted(x, y, optimizer=type(optimizer)(optimizer.lr), batch_size=20, **options)
        np.testing.assert_allclose(small[0], large[0], rtol=1e-4, atol=1e-6)
        assert small[1].column("loss") == pytest.approx(large[1].column("loss"), rel=1e-5)
        assert optimizer.steps == 4


def test_a_last_batch_that_is_dropped(data):
    for drop_last, steps in ((True, 4), (False, 6)):
        optimizer = nn.SGD(0.1)
        fitted(*data, optimizer=optimizer, drop_last=drop_last)
        assert optimizer.steps == steps


def test_a_share_held_out(data):
    x, y = data
    history = fitted(x, y, validation_split=0.25)[1]
    rows = np.random.default_rng(0).permutation(N)
    train, test = np.sort(rows[10:]), np.sort(rows[:10])
    wanted = fitted(x[train], y[train], validation=(x[test], y[test]))[1]
    assert history.column("val_loss") == wanted.column("val_loss")
    for share in (0.001, 1.0):
        with pytest.raises(ValueError, match="expected validation_split to leave samples on both sides"):
            fitted(x, y, validation_split=share)
    with pytest.raises(ValueError, match="give separate data as validation="):
        fitted([(x, y)], validation_split=0.25)


def test_a_share_of_rows_held_out(data, tmp_path):
    x, y = data
    wanted = fitted(x, y, validation_split=0.25)
    model, history = fitted(mapped(x, tmp_path), y, validation_split=0.25)
    np.testing.assert_array_equal(model, wanted[0])
    assert history.column("val_loss") == wanted[1].column("val_loss")
    x[17] = np.nan
    with pytest.raises(ValueError, match="x holds NaN or infinity in row 17$"):
        fitted(mapped(x, tmp_path), y, validation_split=0.25)


def test_a_share_of_sequences_held_out(rng):
    words, y = [rng.integers(0, 5, length) for length in rng.integers(1, 9, N)], rng.integers(0, 3, N)
    rows = np.random.default_rng(0).permutation(N)
    train, test = np.sort(rows[10:]), np.sort(rows[:10])
    runs = []
    for given, options in (
        ((words, y), {"validation_split": 0.25}),
        (([words[i] for i in train], y[train]), {"validation": ([words[i] for i in test], y[test])}),
    ):
        model = nn.Sequential(nn.Embedding(5, 4, rng=0), nn.GRU(4, 6, rng=1), nn.Dense(6, 3, rng=2))
        runs.append(fitted(*given, model=model, shuffle=False, **options))
    np.testing.assert_array_equal(runs[0][0], runs[1][0])
    assert runs[0][1].column("val_loss") == runs[1][1].column("val_loss")


@pytest.mark.parametrize("samples", [lambda x, y: [(x[0], y[0])], lambda x, y: [{"x": x[0], "y": int(y[0])}]])
def test_samples_where_batches_are_expected(data, samples):
    with pytest.raises(ValueError, match="^fit: batch 1: expected a batch, got a single sample: a DataLoader makes"):
        fitted(samples(*data))


class TestReadAhead:
    def test_an_iterator_that_is_left_ends_its_thread(self):
        before, read = set(threading.enumerate()), []
        batches = read_ahead(map(read.append, range(100)))
        next(batches)
        (thread,) = set(threading.enumerate()) - before
        batches.close()
        thread.join(5)
        assert not thread.is_alive()
        assert len(read) < 6

    def test_the_next_batch_is_read_while_one_is_computed_with(self):
        read = threading.Event()

        def source():
            yield 1
            read.set()
            yield 2

        batches = read_ahead(source())
        assert next(batches) == 1
        assert read.wait(5)
        assert list(batches) == [2]


def test_validation_data_of_several_inputs(data):
    x, y = data
    xs, rows = (x[:, :2], x[:, 2:]), []
    batch = ((x[:9, :2], x[:9, 2:]), y[:9])
    for validation in ((xs, y), (list(xs), y), ({"a": xs[0], "b": xs[1]}, y), [(xs, y)], ((xs, y), batch)):
        nodes = {"both": (nn.Concat(), "a", "b"), "z": nn.Dense(4, 3, rng=0)}
        rows.append(fitted(xs, y, model=nn.Graph(nodes, inputs=("a", "b")), validation=validation)[1][-1]["val_loss"])
    assert rows[:3] == [rows[0]] * 3
    assert rows[3] == pytest.approx(rows[0])
    assert rows[4] != pytest.approx(rows[0])


def test_a_model_s_own_attributes_are_no_names(data):
    class Own(nn.Sequential):
        inputs = outputs = 4

    np.testing.assert_array_equal(
        fitted(*data, model=Own(nn.Dense(4, 3, rng=0)))[0], fitted(*data, model=nn.Sequential(nn.Dense(4, 3, rng=0)))[0]
    )


def test_several_outputs_are_not_trained_by_one_loss(data):
    for model in (nn.Graph({"a": nn.Dense(4, 3), "b": nn.Tanh()}, outputs=("a", "b")), nn.GRU(4, 3, return_state=True)):
        with pytest.raises(ValueError, match="fit: expected a network of one output, got .* with several: its forward"):
            fitted(*data, model=model)


def test_each_of_several_outputs(rng):
    model = nn.Graph({"a": nn.Dense(3, 2, rng=0), "b": nn.Tanh()}, outputs=("a", "b"))
    x = rng.standard_normal((7, 3)).astype("float32")
    first, second = nn.predict(model, x, batch_size=3)
    np.testing.assert_allclose(second, np.tanh(first), rtol=1e-6)
    assert [one.shape for one in nn.predict(model, x[:0])] == [(0, 2), (0, 2)]
