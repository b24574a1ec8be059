"""Convolution and pooling along one axis, from loops that follow the definition index by index."""

import numpy as np
import pytest
from border import dev, host, randomise

import xpnn as nn

F64 = {"rng": 0, "dtype": "float64"}


@pytest.mark.parametrize(
    "options",
    [{}, {"stride": 2, "padding": 1}, {"dilation": 3, "padding": 2}, {"groups": 2}, {"padding": "same"}],
    ids=str,
)
def test_convolution_index_by_index(options, rng):
    conv = nn.Conv1D(4, 6, 4, **options, **F64)
    randomise(conv, rng)
    x = rng.standard_normal((2, 4, 9))
    y, backward = conv.forward(dev(x))
    dy = rng.standard_normal(y.shape)
    dx = backward(dev(dy))
    W, b = host(conv.params["W"]), host(conv.params["b"])
    assert W.shape == (6, 4 // conv.groups, 4)
    (s,), (d,), ((p,), _) = conv.stride, conv.dilation, conv.pads
    want_y, want_dx, dW = np.zeros(y.shape) + b[:, None], np.zeros(x.shape), np.zeros(W.shape)
    for sample, out, j, c, n in np.ndindex(*y.shape, *W.shape[1:]):
        channel, place = out // (6 // conv.groups) * W.shape[1] + c, j * s + n * d - p
        if 0 <= place < 9:
            want_y[sample, out, j] += W[out, c, n] * x[sample, channel, place]
            want_dx[sample, channel, place] += W[out, c, n] * dy[sample, out, j]
            dW[out, c, n] += dy[sample, out, j] * x[sample, channel, place]
    got = y, dx, conv.grads["W"], conv.grads["b"]
    for one, other in zip(got, (want_y, want_dx, dW, dy.sum((0, 2))), strict=True):
        np.testing.assert_allclose(host(one), other, rtol=1e-12, atol=1e-13)


def test_a_bias_less_convolution_is_one_with_a_bias_of_0(rng):
    conv, without = nn.Conv1D(3, 2, 2, **F64), nn.Conv1D(3, 2, 2, bias=False, **F64)
    conv.params["b"] = np.zeros(2)
    without.params["W"] = conv.params["W"]
    x = dev(rng.standard_normal((2, 3, 5)))
    np.testing.assert_array_equal(host(conv(x)), host(without(x)))
    assert list(without.params) == ["W"]


def test_the_input_s_gradient_is_left_out_where_it_is_not_asked_for(rng):
    conv, x = nn.Conv1D(3, 2, 2, **F64), dev(rng.standard_normal((2, 3, 5)))
    y, backward = conv.forward(x, needs_dx=False)
    assert backward(y) is None
    assert host(abs(conv.grads["W"])).min() > 0


@pytest.mark.parametrize(("size", "stride", "padding"), [(2, None, 0), (3, 2, 1), (2, 3, 0)])
def test_pooling_index_by_index(size, stride, padding, rng):
    x = rng.permutation(2 * 3 * 8).reshape(2, 3, 8).astype(float)  # no ties
    padded = np.pad(x, ((0, 0), (0, 0), (padding, padding)), constant_values=-np.inf)
    for layer, value in (nn.MaxPool1D(size, stride, padding), np.max), (nn.AvgPool1D(size, stride, padding), np.mean):
        y, backward = layer.forward(dev(x))
        dy = rng.standard_normal(y.shape)
        want, dpadded = np.zeros(y.shape), np.zeros(padded.shape)
        for sample, c, j in np.ndindex(y.shape):
            window = slice(j * (stride or size), j * (stride or size) + size)
            values = padded[sample, c, window]
            want[sample, c, j] = value(values if value is np.max else np.where(np.isinf(values), 0, values))
            share = np.eye(size)[values.argmax()] if value is np.max else 1 / size
            dpadded[sample, c, window] += share * dy[sample, c, j]
        np.testing.assert_allclose(host(y), want, rtol=1e-12)
        dx = dpadded[:, :, padding : padding + 8]
        np.testing.assert_allclose(host(backward(dev(dy))), dx, rtol=1e-12, atol=1e-14)


def test_settings_are_shown_and_checked(rng):
    assert repr(nn.Conv1D(4, 6, 3, groups=2)) == "Conv1D(4, 6, kernel_size=3, groups=2)"
    assert repr(nn.Conv1D(4, 6, 3, padding="same")) == "Conv1D(4, 6, kernel_size=3, padding='same')"
    assert repr(nn.MaxPool1D(3, 2, 1)) == "MaxPool1D(size=3, stride=2, padding=1)"
    with pytest.raises(ValueError, match=r"kernel_size: expected one whole number of at least 1, got \(2, 3\)"):
        nn.Conv1D(1, 1, (2, 3))
    with pytest.raises(ValueError, match=r"padding: expected less than the window's size \(2,\), got \(2,\)"):
        nn.AvgPool1D(2, padding=2)
    conv = nn.Conv1D(3, 2, 4, **F64)
    with pytest.raises(ValueError, match=r"expected input of shape \(N, 3, L\), got \(2, 4, 5\)"):
        conv(dev(rng.standard_normal((2, 4, 5))))
    with pytest.raises(ValueError, match=r"the window is larger than the padded input of shape \(2, 3, 3\)"):
        conv(dev(rng.standard_normal((2, 3, 3))))
