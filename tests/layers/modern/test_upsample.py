"""Pixels repeated."""

import numpy as np
import pytest
from border import dev, host

import xpnn as nn


def test_index_by_index(rng):
    layer = nn.Upsample2D((2, 3))
    x, dy = rng.standard_normal((2, 3, 4, 2)), rng.standard_normal((2, 3, 8, 6))
    y, backward = layer.forward(dev(x))
    dx = np.zeros(x.shape)
    for n, c, i, j in np.ndindex(dy.shape):
        assert host(y)[n, c, i, j] == x[n, c, i // 2, j // 3]
        dx[n, c, i // 2, j // 3] += dy[n, c, i, j]
    np.testing.assert_allclose(host(backward(dev(dy))), dx, rtol=1e-12, atol=1e-14)
    assert repr(layer) == "Upsample2D(scale=(2, 3))"


@pytest.mark.parametrize("scale", [0, 1.5, (2, 2, 2)])
def test_scales_are_whole_numbers(scale):
    with pytest.raises(ValueError, match="scale: expected one or two whole numbers of at least 1"):
        nn.Upsample2D(scale)
