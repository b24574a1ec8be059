"""LeNet-5's subsampling, from the paper's equations in loops over single elements."""

import numpy as np
import pytest
from border import dev, host, randomise

import xpnn as nn


class TestSubsample2D:
    @pytest.mark.parametrize(("size", "shape"), [(2, (3, 2, 4, 6)), ((2, 3), (1, 4, 5, 8)), (1, (2, 1, 3, 2))])
    def test_equals_sums_times_coefficient_plus_bias(self, size, shape, rng):
        layer = nn.Subsample2D(shape[1], size, dtype="float64")
        randomise(layer, rng)
        W, b, x = host(layer.params["W"]), host(layer.params["b"]), rng.standard_normal(shape)
        k1, k2 = size if isinstance(size, tuple) else (size, size)
        expected = np.zeros((shape[0], shape[1], shape[2] // k1, shape[3] // k2))
        for n, c, i, j in np.ndindex(expected.shape):
            total = 0.0
            for p in range(k1):
                for q in range(k2):
                    total += x[n, c, i * k1 + p, j * k2 + q]
            expected[n, c, i, j] = W[c] * total + b[c]
        np.testing.assert_allclose(host(layer(dev(x))), expected, rtol=1e-12, atol=1e-12)

    def test_directional_derivative(self, rng):
        layer = nn.Subsample2D(3, (2, 3), dtype="float64")
        randomise(layer, rng)
        assert nn.gradcheck(layer, rng.standard_normal((2, 3, 5, 7)), max_elements=0).ok

    def test_refuses_what_it_cannot_do(self):
        layer = nn.Subsample2D(3, rng=0)
        with pytest.raises(ValueError, match=r"Subsample2D\(3, size=2\): the window is larger"):
            layer(nn.asarray(np.zeros((1, 3, 1, 4), "float32")))
        with pytest.raises(ValueError, match="expected input of shape"):
            layer(nn.asarray(np.zeros((1, 2, 4, 4), "float32")))
        with pytest.raises(ValueError, match="channels"):
            nn.Subsample2D(0)
