"""LeNet-5's output by distances and its loss, from the paper's equations in loops over single elements."""

import numpy as np
import pytest
from border import dev, host

import xpnn as nn


class TestRBF:
    def test_equals_the_negative_distance(self, rng):
        centers, x = rng.standard_normal((5, 3)), rng.standard_normal((4, 3))
        expected = np.zeros((4, 5))
        for n, k, f in np.ndindex(4, 5, 3):
            expected[n, k] -= (x[n, f] - centers[k, f]) ** 2
        layer = nn.RBF(centers, dtype="float64")
        np.testing.assert_allclose(host(layer(dev(x))), expected, rtol=1e-12)
        assert layer.flat_params.size == 0

    def test_directional_derivative(self, rng):
        layer = nn.RBF(rng.standard_normal((5, 3)), dtype="float64")
        assert nn.gradcheck(layer, rng.standard_normal((4, 3)), max_elements=0).ok

    def test_is_exact_near_a_center(self):
        """|x|^2 - 2xw + |w|^2 would err by about 84 * 6e-8 = 5e-6 here, five times the true 1e-6."""
        centers = np.ones((1, 84))
        x = centers.astype("float32")
        x[0, 0] += np.float32(2**-10)
        y, backward = nn.RBF(centers).forward(nn.asarray(x))
        assert float(host(y)[0, 0]) == -(2.0**-20)
        assert abs(host(backward(nn.xp.ones_like(y)))).max() == 2.0**-9

    def test_refuses_wrong_shapes_and_dtypes(self):
        with pytest.raises(ValueError, match="centers"):
            nn.RBF(np.ones(84))
        with pytest.raises(TypeError, match="float32"):
            nn.RBF(np.ones((10, 84)))(dev(np.ones((1, 84))))


class TestRBFLoss:
    def test_equals_equation_9(self, rng):
        y, labels, j = rng.uniform(0, 5, (4, 3)), np.array([0, 2, 2, 1]), 1.5
        expected = 0.0
        for n, label in enumerate(labels):
            expected += (y[n, label] + np.log(np.exp(-j) + sum(np.exp(-y[n, k]) for k in range(3)))) / 4
        assert float(host(nn.RBFLoss(j)(dev(-y), nn.asarray(labels)))) == pytest.approx(expected, rel=1e-12)

    def test_gradient(self, rng):
        z, labels, loss, h = -rng.uniform(0, 5, (4, 3)), nn.asarray(np.array([0, 2, 2, 1])), nn.RBFLoss(1.5), 1e-6
        gradient = host(loss.forward(dev(z), labels)[1]())
        for index in np.ndindex(z.shape):
            step = np.zeros_like(z)
            step[index] = h
            numeric = float(host(loss(dev(z + step), labels) - loss(dev(z - step), labels))) / (2 * h)
            assert gradient[index] == pytest.approx(numeric, abs=1e-9)  # rounding: 1e-16 * 5 / h

    def test_far_rubbish_leaves_the_softmax_cross_entropy(self, rng):
        z, labels = dev(-rng.uniform(0, 5, (4, 3))), nn.asarray(np.array([0, 2, 2, 1]))
        (value, backward), (expected, expected_backward) = (
            loss.forward(z, labels) for loss in (nn.RBFLoss(1000), nn.SoftmaxCrossEntropy())
        )
        assert float(host(value)) == pytest.approx(float(host(expected)), rel=1e-14)
        np.testing.assert_allclose(host(backward()), host(expected_backward()), rtol=1e-13)

    @pytest.mark.parametrize("label", [-1, 3, 4])
    def test_refuses_labels_of_no_class(self, label):
        """3 would be the rubbish class's own."""
        with pytest.raises(ValueError, match=r"outside \[0, 3\)"):
            nn.to_numpy(nn.RBFLoss()(dev(np.zeros((2, 3))), nn.asarray(np.array([0, label]))))

    @pytest.mark.parametrize("j", [0, -1, np.inf, np.nan])
    def test_refuses_a_wrong_j(self, j):
        with pytest.raises(ValueError, match="RBFLoss"):
            nn.RBFLoss(j)
