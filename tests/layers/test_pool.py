"""Pooling from loops that follow the definition index by index."""

import numpy as np
import pytest
from border import dev, host

import xpnn as nn

H, W = 6, 7


@pytest.mark.parametrize(("size", "stride", "padding"), [(2, 2, 0), (3, 2, 1), ((3, 2), (1, 2), (2, 1)), (2, 3, 0)])
def test_max_pooling(rng, size, stride, padding):
    layer = nn.MaxPool2D(size, stride, padding)
    x = rng.permutation(2 * 3 * H * W).reshape(2, 3, H, W).astype(float)  # no ties
    y, backward = layer.forward(dev(x))
    dy = rng.standard_normal(y.shape)
    expected, dx = np.zeros(y.shape), np.zeros(x.shape)
    for s, c, i, j in np.ndindex(y.shape):
        window = [(x[s, c, m, n], m, n) for m, n in _window(layer, i, j)]
        expected[s, c, i, j], m, n = max(window)
        dx[s, c, m, n] += dy[s, c, i, j]
    np.testing.assert_array_equal(host(y), expected)
    np.testing.assert_allclose(host(backward(dev(dy))), dx, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize(("size", "stride", "padding"), [(2, 2, 0), (3, 2, 1), ((3, 2), (1, 2), (2, 1)), (2, 3, 0)])
def test_average_pooling(rng, size, stride, padding):
    layer = nn.AvgPool2D(size, stride, padding)
    x = rng.standard_normal((2, 3, H, W))
    y, backward = layer.forward(dev(x))
    dy = rng.standard_normal(y.shape)
    area = layer.size[0] * layer.size[1]
    expected, dx = np.zeros(y.shape), np.zeros(x.shape)
    for s, c, i, j in np.ndindex(y.shape):
        for m, n in _window(layer, i, j):
            expected[s, c, i, j] += x[s, c, m, n] / area
            dx[s, c, m, n] += dy[s, c, i, j] / area
    np.testing.assert_allclose(host(y), expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(host(backward(dev(dy))), dx, rtol=1e-12, atol=1e-14)


def _window(layer, i, j):
    """The image's pixels under the window at output (i, j); the border has none."""
    for m in range(layer.size[0]):
        for n in range(layer.size[1]):
            row, column = i * layer.stride[0] + m - layer.padding[0], j * layer.stride[1] + n - layer.padding[1]
            if 0 <= row < H and 0 <= column < W:
                yield row, column


def test_max_pooling_gives_a_tie_to_the_first():
    layer = nn.MaxPool2D(2)
    _, backward = layer.forward(dev(np.ones((1, 1, 2, 2))))
    np.testing.assert_array_equal(host(backward(dev([[[[5.0]]]]))), [[[[5, 0], [0, 0]]]])


def test_padding_never_wins_the_maximum():
    layer = nn.MaxPool2D(3, 1, 1)
    x = np.full((1, 1, 2, 2), -7.0)
    y, backward = layer.forward(dev(x))
    np.testing.assert_array_equal(host(y), x)
    assert host(backward(dev(np.ones((1, 1, 2, 2))))).sum() == 4


def test_global_average_pooling_index_by_index(rng):
    x = rng.standard_normal((2, 3, 4, 5))
    pool = nn.GlobalAvgPool2D()
    y, backward = pool.forward(dev(x))
    dy = rng.standard_normal((2, 3))
    dx = host(backward(dev(dy)))
    assert dx.shape == x.shape
    for n, c in np.ndindex(2, 3):
        np.testing.assert_allclose(host(y)[n, c], sum(x[n, c, i, j] for i, j in np.ndindex(4, 5)) / 20, rtol=1e-12)
    for n, c, i, j in np.ndindex(x.shape):
        np.testing.assert_allclose(dx[n, c, i, j], dy[n, c] / 20, rtol=1e-12)
    assert nn.gradcheck(pool, x, max_elements=0).ok
    with pytest.raises(ValueError, match=r"GlobalAvgPool2D\(\): expected input of shape \(N, C, H, W\), got \(2, 3\)"):
        pool(dev(dy))
