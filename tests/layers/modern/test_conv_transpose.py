"""Transposed convolution, from the definition index by index and as the transpose of Conv2D."""

import numpy as np
import pytest
from border import dev, host, randomise

import xpnn as nn

F64 = {"rng": 0, "dtype": "float64"}
SETTINGS = [
    {},
    {"stride": (2, 3), "padding": (1, 2), "output_padding": (1, 2)},
    {"dilation": 2, "output_padding": 1},
    {"stride": 2, "padding": 1, "groups": 2},
]


@pytest.mark.parametrize("options", SETTINGS, ids=str)
def test_index_by_index(options, rng):
    layer = nn.ConvTranspose2D(4, 6, (3, 2), **options, **F64)
    randomise(layer, rng)
    x = rng.standard_normal((2, 4, 3, 4))
    y, backward = layer.forward(dev(x))
    dy = rng.standard_normal(y.shape)
    dx = backward(dev(dy))
    W, b = host(layer.params["W"]), host(layer.params["b"])
    assert W.shape == (4, 6 // layer.groups, 3, 2)
    want_y, want_dx, dW = np.zeros(y.shape) + b[:, None, None], np.zeros(x.shape), np.zeros(W.shape)
    (s1, s2), (p1, p2), (d1, d2) = layer.stride, layer.padding, layer.dilation
    for c, d, m, n, i, j in np.ndindex(*W.shape, *x.shape[2:]):
        row, column = i * s1 + m * d1 - p1, j * s2 + n * d2 - p2
        if 0 <= row < y.shape[2] and 0 <= column < y.shape[3]:
            out = c // (4 // layer.groups) * W.shape[1] + d
            want_y[:, out, row, column] += W[c, d, m, n] * x[:, c, i, j]
            want_dx[:, c, i, j] += W[c, d, m, n] * dy[:, out, row, column]
            dW[c, d, m, n] += x[:, c, i, j] @ dy[:, out, row, column]
    got = y, dx, layer.grads["W"], layer.grads["b"]
    for one, other in zip(got, (want_y, want_dx, dW, dy.sum((0, 2, 3))), strict=True):
        np.testing.assert_allclose(host(one), other, rtol=1e-12, atol=1e-13)


def test_it_is_the_way_back_through_a_convolution(rng):
    conv = nn.Conv2D(3, 4, 3, stride=2, padding=1, **F64)
    back = nn.ConvTranspose2D(4, 3, 3, stride=2, padding=1, output_padding=1, bias=False, **F64)
    back.params["W"] = conv.params["W"]
    y, backward = conv.forward(dev(rng.standard_normal((2, 3, 6, 8))))
    delta = dev(rng.standard_normal(y.shape))
    np.testing.assert_allclose(host(back(delta)), host(backward(delta)), rtol=1e-12, atol=1e-14)


def test_first_weights_keep_a_signal_s_size():
    """Mean square of the output over that of the input: 2 by He's rule, whatever the stride; kernels by groups."""
    rng = np.random.default_rng(0)
    for size, stride, groups in (2, 2, 1), (4, 2, 1), (3, 1, 2):
        layer = nn.ConvTranspose2D(64, 64, size, stride, groups=groups, bias=False, **F64)
        y = host(layer(dev(rng.standard_normal((2, 64, 8, 8)))))[:, :, size:-size, size:-size]
        assert 1.6 < (y**2).mean() < 2.4
    kernels = np.arange(48.0).reshape(4, 3, 2, 2)
    layer = nn.ConvTranspose2D(6, 4, 2, groups=2, init=lambda shape, rng: kernels.reshape(shape), **F64)
    assert host(layer.params["W"])[4, 1, 0, 0] == kernels[3, 1, 0, 0]
    orthogonal = host(nn.ConvTranspose2D(3, 5, 2, 2, init="orthogonal", **F64).params["W"])
    kernels = orthogonal.swapaxes(0, 1).reshape(5, -1)
    np.testing.assert_allclose(kernels @ kernels.T, np.eye(5), atol=1e-12)


def test_settings_are_shown_and_checked(rng):
    layer = nn.ConvTranspose2D(2, 3, 4, 2, 1, 1)
    assert repr(layer) == "ConvTranspose2D(2, 3, kernel_size=4, stride=2, padding=1, output_padding=1)"
    with pytest.raises(ValueError, match=r"output_padding: expected less than the stride \(2, 2\) or the dilation"):
        nn.ConvTranspose2D(2, 3, 4, 2, output_padding=2)
    with pytest.raises(ValueError, match="padding: expected one or two whole numbers of at least 0, got 'same'"):
        nn.ConvTranspose2D(2, 3, 4, padding="same")
    with pytest.raises(ValueError, match=r"expected input of shape \(N, 2, H, W\)"):
        nn.ConvTranspose2D(2, 3, 4, **F64)(dev(rng.standard_normal((2, 3, 4, 4))))
    with pytest.raises(ValueError, match=r"the padding leaves nothing of the output, of size \(0, 0\)"):
        nn.ConvTranspose2D(2, 3, 4, padding=2, **F64)(dev(rng.standard_normal((2, 2, 1, 1))))
