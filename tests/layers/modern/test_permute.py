"""Axes in another order."""

import numpy as np
import pytest
from border import dev, host

import xpnn as nn


def test_index_by_index(rng):
    layer = nn.Permute(3, 1, 2)
    x, dy = rng.standard_normal((2, 3, 4, 5)), rng.standard_normal((2, 5, 3, 4))
    y, backward = layer.forward(dev(x))
    dx = host(backward(dev(dy)))
    assert host(y).shape == dy.shape
    for n, i, j, k in np.ndindex(x.shape):
        assert host(y)[n, k, i, j] == x[n, i, j, k]
        assert dx[n, i, j, k] == dy[n, k, i, j]
    assert repr(layer) == "Permute(3, 1, 2)"


def test_a_convolution_beside_a_recurrent_layer(rng):
    model = nn.Sequential(
        *(nn.Permute(2, 1), nn.Conv1D(3, 4, 3, padding="same", rng=0), nn.ReLU(), nn.Permute(2, 1)),
        *(nn.LSTM(4, 5, rng=1), nn.Dense(5, 2, rng=2)),
    )
    assert nn.gradcheck(model, rng.standard_normal((2, 6, 3))).ok


@pytest.mark.parametrize("axes", [(), (0, 1), (2,), (1, 1), (1, 3)])
def test_axes_are_counted_from_1(axes):
    with pytest.raises(ValueError, match=r"Permute: expected the axes 1, 2, ... in some order"):
        nn.Permute(*axes)


def test_the_number_of_axes_is_fixed(rng):
    with pytest.raises(ValueError, match=r"expected input of shape \(N, axis 1, axis 2\), got \(2, 3, 4, 5\)"):
        nn.Permute(2, 1)(dev(rng.standard_normal((2, 3, 4, 5))))
