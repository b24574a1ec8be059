"""One value a channel, and pixels repeated."""

import numpy as np
import pytest
from border import dev, host

import xpnn as nn


@pytest.mark.parametrize(("layer", "shape"), [(nn.GlobalMaxPool1D(), (2, 3, 5)), (nn.GlobalMaxPool2D(), (2, 3, 2, 3))])
def test_the_maximum_and_its_gradient(layer, shape, rng):
    x = rng.integers(0, 4, shape).astype(float)  # with ties
    y, backward = layer.forward(dev(x))
    dy = rng.standard_normal((2, 3))
    want = np.zeros(shape)
    for n, c in np.ndindex(2, 3):
        want[n, c].flat[x[n, c].argmax()] = dy[n, c]
    np.testing.assert_array_equal(host(y), x.reshape(2, 3, -1).max(2))
    np.testing.assert_array_equal(host(backward(dev(dy))), want)


def test_what_is_not_finite_stays_in_its_place():
    layer = nn.GlobalMaxPool1D()
    y, backward = layer.forward(dev([[[1.0, np.nan, 3.0], [-np.inf, -np.inf, -np.inf]]]))
    np.testing.assert_array_equal(host(y), [[np.nan, -np.inf]])
    np.testing.assert_array_equal(host(backward(dev([[np.inf, 2.0]]))), [[[0, np.inf, 0], [2, 0, 0]]])


def test_the_mean(rng):
    x, dy = rng.standard_normal((2, 3, 5)), rng.standard_normal((2, 3))
    y, backward = nn.GlobalAvgPool1D().forward(dev(x))
    np.testing.assert_allclose(host(y), x.sum(2) / 5, rtol=1e-12)
    np.testing.assert_allclose(host(backward(dev(dy))), np.repeat(dy / 5, 5).reshape(2, 3, 5), rtol=1e-12)


@pytest.mark.parametrize(
    ("layer", "axes"),
    [(nn.GlobalMaxPool1D(), "L"), (nn.GlobalMaxPool2D(), "H, W"), (nn.GlobalAvgPool1D(), "L")],
    ids=repr,
)
def test_another_rank_is_refused(layer, axes):
    with pytest.raises(ValueError, match=rf"expected input of shape \(N, C, {axes}\), got \(2, 3\)"):
        layer(dev(np.ones((2, 3))))
