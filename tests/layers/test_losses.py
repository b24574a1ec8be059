"""The losses: their formulas, weights and ignored labels; labels, targets and weights refused."""

import numpy as np
import pytest
from border import dev, host

import xpnn as nn


class TestLosses:
    def test_cross_entropy_by_its_formula(self, rng):
        z, t = rng.standard_normal((5, 4)), rng.integers(0, 4, 5)
        value, backward = nn.SoftmaxCrossEntropy().forward(dev(z), dev(t))
        p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
        assert float(host(value)) == pytest.approx(-np.log(p[np.arange(5), t]).mean(), rel=1e-13)
        np.testing.assert_allclose(host(backward()), (p - np.eye(4)[t]) / 5, rtol=1e-12, atol=1e-15)

    @pytest.mark.parametrize("loss", [nn.SoftmaxCrossEntropy(), nn.RBFLoss(1.0)])
    @pytest.mark.parametrize("shape", [(5,), (5, 3)])
    def test_a_one_hot_row_is_its_label(self, rng, loss, shape):
        z, t = dev(rng.standard_normal((*shape, 4))), rng.integers(0, 4, shape)
        value, backward = loss.forward(z, dev(t))
        same, same_backward = loss.forward(z, dev(np.eye(4)[t]))
        assert float(host(same)) == pytest.approx(float(host(value)), rel=1e-13)
        np.testing.assert_allclose(host(same_backward()), host(backward()), rtol=1e-12, atol=1e-16)
        assert float(host(loss.accuracy(z, dev(np.eye(4)[t])))) == float(host(loss.accuracy(z, dev(t))))

    def test_a_class_that_is_masked_out_has_no_share(self):
        value, backward = nn.SoftmaxCrossEntropy().forward(dev([[-np.inf, 0.0, 0.0]]), dev([[0.0, 1.0, 0.0]]))
        assert float(host(value)) == pytest.approx(np.log(2))
        np.testing.assert_allclose(host(backward()), [[0, -0.5, 0.5]])

    def test_cross_entropy_over_sequences_is_that_of_all_labels(self, rng):
        z, t = rng.standard_normal((5, 3, 4)), rng.integers(0, 4, (5, 3))
        loss = nn.SoftmaxCrossEntropy()
        value, backward = loss.forward(dev(z), dev(t))
        flat, flat_backward = loss.forward(dev(z.reshape(15, 4)), dev(t.reshape(15)))
        assert float(host(value)) == float(host(flat))
        np.testing.assert_array_equal(host(backward()).reshape(15, 4), host(flat_backward()))

    def test_cross_entropy_does_not_overflow(self):
        z = dev(np.array([[1e4, 0.0], [0.0, 1e4]]), "float32")
        value, backward = nn.SoftmaxCrossEntropy().forward(z, dev(np.array([0, 0])))
        assert float(host(value)) == 5000
        np.testing.assert_array_equal(host(backward()), [[0, 0], [-0.5, 0.5]])

    def test_half_squared_error_by_its_formula(self, rng):
        o, y = rng.standard_normal((5, 3)), rng.standard_normal((5, 3))
        value, backward = nn.HalfSquaredError().forward(dev(o), dev(y))
        assert float(host(value)) == pytest.approx(sum(0.5 * (y[i] - o[i]) @ (y[i] - o[i]) for i in range(5)) / 5)
        np.testing.assert_allclose(host(backward()), (o - y) / 5, rtol=1e-13)

    @pytest.mark.parametrize("label", [-1, 4])
    def test_a_label_out_of_range(self, label):
        with pytest.raises(ValueError, match=r"outside \[0, 4\)"):  # noqa: PT012
            nn.SoftmaxCrossEntropy()(dev(np.zeros((2, 4))), dev(np.array([0, label])))
            nn.synchronize()

    @pytest.mark.parametrize(
        ("loss", "outputs", "targets", "error", "message"),
        [
            (nn.SoftmaxCrossEntropy(), np.zeros((2, 3)), np.zeros(2), ValueError, r"3\), got \(2,\) \(labels are int"),
            (nn.RBFLoss(), np.zeros((2, 3)), np.zeros((2, 2)), ValueError, r"probabilities of shape \(2, 3\)"),
            (nn.SoftmaxCrossEntropy(), np.zeros((2, 3)), np.zeros((2, 3), bool), TypeError, "integer labels"),
            (nn.SoftmaxCrossEntropy(), np.zeros((2, 3)), np.zeros((2, 1), int), ValueError, r"\(2,\), got \(2, 1\)"),
            (nn.SoftmaxCrossEntropy(), np.zeros((0, 3)), np.zeros(0, int), ValueError, "empty batch"),
            (nn.HalfSquaredError(), np.zeros((2, 1)), np.zeros(2), ValueError, r"shape \(2, 1\), got \(2,\)"),
            (nn.HalfSquaredError(), np.zeros((2, 1)), np.zeros((2, 1), int), TypeError, "floating-point"),
        ],
    )
    def test_wrong_input(self, loss, outputs, targets, error, message):
        with pytest.raises(error, match=message):
            loss.forward(dev(outputs), dev(targets))

    def test_targets_of_another_dtype_are_not_promoted(self):
        with pytest.raises(TypeError, match="expected targets of the outputs' dtype float32, got float64"):
            nn.HalfSquaredError().forward(dev(np.zeros((2, 1)), "float32"), dev(np.zeros((2, 1))))
        with pytest.raises(TypeError, match="expected targets of the outputs' dtype float32, got float64"):
            nn.SoftmaxCrossEntropy().forward(dev(np.zeros((2, 1)), "float32"), dev(np.zeros((2, 1))))

    def test_no_array(self):
        with pytest.raises(TypeError, match="xpnn.asarray"):
            nn.HalfSquaredError().forward([[1.0]], [[1.0]])


LOSSES = [
    nn.SoftmaxCrossEntropy(),
    nn.SoftmaxCrossEntropy(label_smoothing=0.1),
    nn.RBFLoss(1.0),
    nn.BinaryCrossEntropy(),
    nn.MeanSquaredError(),
    nn.MeanAbsoluteError(),
    nn.Huber(),
    nn.PoissonNLL(),
    nn.HalfSquaredError(),
]
EACH = pytest.mark.parametrize("loss", LOSSES, ids=repr)


def drawn(rng, loss, shape=(4, 3, 5)):
    """Outputs and targets on the backend: labels that are integers, or targets of the outputs' shape."""
    hard = isinstance(loss, nn.SoftmaxCrossEntropy)
    return dev(rng.standard_normal(shape)), dev(rng.integers(0, 5, shape[:-1]) if hard else rng.random(shape))


def same(got, wanted):
    for one, other in zip(got, wanted, strict=True):
        np.testing.assert_allclose(host(one), host(other), rtol=1e-12, atol=1e-15)


def results(loss, z, t, *weights):
    """Value, gradient and what remains."""
    value, backward = loss.forward(z, t, *weights)
    accuracy = loss.accuracy(z, t, *weights)
    return value, backward(), 0.0 if accuracy is None else accuracy


class TestWeights:
    @EACH
    def test_a_whole_number_repeats_a_sample(self, rng, loss):
        z, t = drawn(rng, loss)
        repeated = dev(np.array([0, 2, 2, 3, 3, 3]))  # weights 1, 0, 2, 3
        value, gradient, accuracy = results(loss, z, t, dev([1.0, 0.0, 2.0, 3.0]))
        wanted, each, right = results(loss, z[repeated], t[repeated])
        rows = host(each)
        sums = np.stack([rows[0], 0 * rows[0], rows[1] + rows[2], rows[3] + rows[4] + rows[5]])
        same([value, gradient, accuracy], [wanted, sums, right])
        assert float(host(loss.weight(t, dev([1.0, 0.0, 2.0, 3.0])))) == loss.weight(t[repeated])

    @EACH
    def test_those_of_labels_and_of_samples_agree(self, rng, loss):
        z, t = drawn(rng, loss)
        w = rng.random(4)
        same(results(loss, z, t, dev(w)), results(loss, z, t, dev(np.repeat(w[:, None], 3, 1))))

    @EACH
    def test_batches_are_put_together_by_weight(self, rng, loss):
        z, t = drawn(rng, loss)
        w = dev(rng.random((4, 3)))
        total = loss.weight(t, w)
        value, gradient, accuracy = results(loss, z, t, w)
        parts = [(results(loss, z[i], t[i], w[i]), loss.weight(t[i], w[i])) for i in (slice(0, 3), slice(3, 4))]
        same([value, accuracy], [sum(part[k] * weight for part, weight in parts) / total for k in (0, 2)])
        same([gradient], [np.concatenate([host(part[1] * weight / total) for part, weight in parts])])

    @EACH
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_weights_of_one_change_nothing_and_of_zero_leave_nothing(self, rng, loss, dtype):
        z, t = drawn(rng, loss)
        z, t = z.astype(dtype), t.astype(dtype) if t.dtype.kind == "f" else t
        ones, plain = results(loss, z, t, dev(np.ones(4), dtype)), results(loss, z, t)
        for one, other in zip(ones, plain, strict=True):
            np.testing.assert_allclose(host(one), host(other), rtol=1e-5 if dtype == "float32" else 1e-12, atol=1e-8)
        assert ones[0].dtype == ones[1].dtype == plain[1].dtype == dtype
        assert [abs(host(result)).max() for result in results(loss, z, t, dev(np.zeros(4), dtype))] == [0, 0, 0]

    @EACH
    def test_wrong_weights(self, rng, loss):
        z, t = drawn(rng, loss)
        for weights, error, message in (
            ([1.0] * 4, TypeError, "expected weights of the .* backend in the outputs' dtype float64, got list"),
            (dev(np.ones(4), "float32"), TypeError, "float64, got float32"),
            (dev(np.ones(3)), ValueError, r"expected weights of shape \(4,\) or \(4, 3\).*, got \(3,\)"),
            (dev(np.ones((4, 1))), ValueError, r"got \(4, 1\)"),
            (dev(np.float64(1)), ValueError, r"got \(\)"),
        ):
            with pytest.raises(error, match=message):
                loss.forward(z, t, weights)


class TestIgnoredLabels:
    @pytest.mark.parametrize("ignore", [-100, 0, 7])
    @pytest.mark.parametrize("smoothing", [0.0, 0.1])
    @pytest.mark.parametrize("weighted", [False, True])
    def test_they_are_as_if_left_out(self, rng, ignore, smoothing, weighted):
        loss = nn.SoftmaxCrossEntropy(smoothing, ignore)
        z, t = rng.standard_normal((3, 4, 5)), rng.integers(1, 5, (3, 4))
        left = rng.random((3, 4)) < 0.6
        weights = [rng.random((3, 4))] if weighted else []
        labels = dev(np.where(left, t, ignore))
        value, gradient, accuracy = results(loss, dev(z), labels, *map(dev, weights))
        wanted, rows, right = results(loss, dev(z[left]), dev(t[left]), *(dev(w[left]) for w in weights))
        whole = np.zeros_like(z)
        whole[left] = host(rows)
        same([value, gradient, accuracy], [wanted, whole, right])
        total = weights[0][left].sum() if weighted else left.sum()
        assert float(host(loss.weight(labels, *map(dev, weights)))) == pytest.approx(total, rel=1e-14)

    @pytest.mark.parametrize("loss", [nn.SoftmaxCrossEntropy(), nn.SoftmaxCrossEntropy(0.1), nn.RBFLoss()], ids=repr)
    def test_nothing_but_ignored_labels(self, loss):
        """The first class is masked out in places where its logits do not count."""
        for z in np.zeros((2, 3)), np.array([[-np.inf, 1, 2], [-np.inf, 0, 0]]):
            found = results(loss, dev(z), dev(np.array([-100, -100])))
            assert [abs(host(result)).max() for result in found] == [0, 0, 0]

    def test_unsigned_labels_have_none(self, rng):
        z, t = dev(rng.standard_normal((4, 200))), np.array([156, 0, 199, 3])
        same(results(nn.SoftmaxCrossEntropy(), z, dev(t.astype("uint8"))), results(nn.SoftmaxCrossEntropy(), z, dev(t)))

    @pytest.mark.parametrize("loss", [nn.SoftmaxCrossEntropy(), nn.SoftmaxCrossEntropy(0.1), nn.RBFLoss()], ids=repr)
    def test_another_label_out_of_range(self, loss):
        with pytest.raises(ValueError, match=r"outside \[0, 3\)"):  # noqa: PT012
            loss(dev(np.zeros((2, 3))), dev(np.array([-100, -1])))
            nn.synchronize()

    def test_smoothing_out_of_range(self):
        with pytest.raises(ValueError, match=r"label_smoothing in \[0, 1\], got 1.5"):
            nn.SoftmaxCrossEntropy(label_smoothing=1.5)


class TestElementwise:
    @pytest.mark.parametrize("loss", LOSSES[3:8], ids=repr)
    def test_integers_and_booleans_are_converted(self, rng, loss):
        z, t = dev(rng.standard_normal((4, 3))), rng.integers(0, 2, (4, 3))
        wanted = results(loss, z, dev(t.astype(float)))
        same(results(loss, z, dev(t)), wanted)
        same(results(loss, z, dev(t.astype(bool))), wanted)

    def test_binary_cross_entropy_far_from_zero(self):
        """-log s(-40) in float32 is 40, and -log s(40) is exp(-40), not 0."""
        loss, z = nn.BinaryCrossEntropy(), dev(np.array([[-40.0, 40.0, 1e4, -1e4]]), "float32")
        for y, wanted in ([[1, 0, 0, 1]], [40, 40, 1e4, 1e4]), ([[0, 1, 1, 0]], [np.exp(-40), np.exp(-40), 0, 0]):
            value, backward = loss.forward(z, dev(np.array(y)))
            assert float(host(value)) == pytest.approx(np.mean(wanted), rel=1e-6)
            signs = np.array([-1, 1, 1, -1]) * np.where(np.array(y[0]) == [1, 0, 0, 1], 1, -1)
            slopes = [1, 1, 1, 1] if wanted[0] == 40 else wanted
            np.testing.assert_allclose(host(backward())[0], signs * slopes / 4, rtol=1e-6)

    def test_binary_accuracy_is_the_fraction_of_right_labels(self):
        loss, z = nn.BinaryCrossEntropy(), dev([[1.0, -1.0, 0.0], [2.0, 3.0, -4.0]])
        t = dev(np.array([[1, 1, 0], [True, False, False]]))
        assert float(host(loss.accuracy(z, t))) == pytest.approx(4 / 6)
        assert float(host(loss.accuracy(z, t, dev([3.0, 1.0])))) == pytest.approx((3 * 2 + 2) / 12)
        assert nn.MeanSquaredError().accuracy(z, t) is None

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: nn.Huber(0), "Huber: expected delta above 0, got 0"),
            (lambda: nn.Huber(np.nan), "Huber: expected delta"),
            (lambda: nn.BinaryCrossEntropy(-1.0), "BinaryCrossEntropy: expected a pos_weight of at least 0"),
            (lambda: nn.BinaryCrossEntropy([[1.0]]), "BinaryCrossEntropy: expected a pos_weight"),
            (lambda: nn.BinaryCrossEntropy()(dev([[0.0]]), dev(np.array([[2]]))), r"outside \[0, 1\]"),
            (lambda: nn.BinaryCrossEntropy()(dev([[0.0]]), dev([[-0.5]])), r"outside \[0, 1\]"),
            (
                lambda: nn.BinaryCrossEntropy([1.0, 2.0])(dev([[0.0]]), dev([[1.0]])),
                r"the length of pos_weight, 2, got shape \(1, 1\)",
            ),
            (lambda: nn.PoissonNLL()(dev([[0.0]]), dev([[-1.0]])), "a target is negative"),
            (
                lambda: nn.MeanSquaredError()(dev([[0.0]]), dev([1.0])),
                r"shape \(1, 1\), got \(1,\) \(targets\[:, None\]",
            ),
        ],
    )
    def test_what_is_refused(self, make, message):
        with pytest.raises(ValueError, match=message):  # noqa: PT012
            make()
            nn.synchronize()

    def test_what_they_are_called(self):
        named = [nn.Huber(), nn.Huber(0.5), nn.PoissonNLL(False), nn.BinaryCrossEntropy(2.0), nn.MeanSquaredError()]
        assert [repr(loss) for loss in named] == [
            "Huber()",
            "Huber(delta=0.5)",
            "PoissonNLL(log_input=False)",
            "BinaryCrossEntropy(pos_weight=2.0)",
            "MeanSquaredError()",
        ]
        assert repr(nn.SoftmaxCrossEntropy(0.1, 0)) == "SoftmaxCrossEntropy(label_smoothing=0.1, ignore_index=0)"


class Own(nn.Loss):
    """A mean square that takes no weights."""

    def __init__(self, change=lambda value, backward: (value, backward)):
        self._change = change

    def forward(self, outputs, targets):
        d = outputs - targets
        return self._change((d * d).mean(), lambda: 2 * d / d.size)


class TestLossesOfOnesOwn:
    def test_one_without_weights_is_trained_by(self, rng):
        x, y = rng.standard_normal((8, 3)), rng.standard_normal(8)
        rows = []
        for loss in (Own(), nn.MeanSquaredError()):
            model, options = nn.MLP((3, 1), rng=0), {"validation": (x, y), "epochs": 2, "verbose": False}
            rows.append(nn.fit(model, x, y, loss=loss, **options)[-1] | {"seconds": 0})
        assert rows[0] == pytest.approx(rows[1], rel=1e-5)

    @pytest.mark.parametrize(
        ("change", "error", "message"),
        [
            (lambda value, backward: value, TypeError, r"expected forward to return \(y, backward\), got "),
            (lambda value, backward: (backward(), backward), ValueError, r"a scalar, got an array \(8, 1\)"),
        ],
    )
    def test_what_it_must_return(self, change, error, message):
        with pytest.raises(error, match=rf"fit: Own\(\): .*{message}"):
            nn.fit(nn.MLP((3, 1)), np.ones((8, 3)), np.ones(8), loss=Own(change), verbose=False)
