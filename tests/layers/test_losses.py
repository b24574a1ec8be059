"""The losses: their formulas, labels and targets refused."""

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
