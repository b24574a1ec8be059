"""The activations: every slope, no overflow, and LeNet-5's scaled tanh."""

import numpy as np
import pytest
from border import dev, host

import xpnn as nn


@pytest.mark.parametrize("slope", [0.01, 1.0, 0.0, -0.5, 3.0])
def test_every_slope(slope):
    z = np.array([-np.inf, -2.0, -0.0, 0.0, 2.0, np.inf, np.nan])
    with np.errstate(invalid="ignore"):
        y, backward = nn.LeakyReLU(slope).forward(dev(z))
        np.testing.assert_array_equal(host(y), np.where(z > 0, z, slope * z))
    np.testing.assert_array_equal(host(backward(dev(np.arange(7.0)))), np.arange(7) * np.where(z > 0, 1, slope))


def test_sigmoid_and_softmax_do_not_overflow():
    x = dev(np.array([[-1e4, 0.0, 1e4]]), "float32")
    np.testing.assert_array_equal(host(nn.Sigmoid()(x)), [[0, 0.5, 1]])
    np.testing.assert_array_equal(host(nn.Softmax()(x)), [[0, 0, 1]])


class TestScaledTanh:
    def test_has_the_values_of_appendix_a(self):
        f = nn.ScaledTanh()
        a = host(f(dev([-1.0, 0.0, 1.0, 50.0])))
        np.testing.assert_allclose(a, [-1, 0, 1, 1.7159], atol=1e-5)  # the paper's constant has five digits

    def test_equals_the_formula_for_other_constants(self, rng):
        x = rng.uniform(-3, 3, (2, 3, 4))
        np.testing.assert_allclose(host(nn.ScaledTanh(0.5, 3)(dev(x))), 0.5 * np.tanh(3 * x), rtol=1e-14)

    @pytest.mark.parametrize("constants", [(), (0.5, 3)])
    def test_directional_derivative(self, constants, rng):
        assert nn.gradcheck(nn.ScaledTanh(*constants), rng.uniform(-3, 3, (2, 3, 4)), max_elements=0).ok
