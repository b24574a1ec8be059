"""Conv2D with stride, padding, dilation and groups, from loops that follow the definition index by index."""

import itertools

import numpy as np
import pytest
from border import dev, host

import xpnn as nn
from xpnn.backend.shared import im2col

F64 = {"rng": 0, "dtype": "float64"}
CONFIGURATIONS = {
    "dilation": {"dilation": 2},
    "dilation by axis": {"dilation": (2, 3), "padding": (1, 2)},
    "dilation and stride": {"dilation": (3, 1), "stride": (2, 3), "padding": 3},
    "groups": {"groups": 2},
    "depthwise": {"groups": 4, "padding": 1},
    "same": {"padding": "same"},
    "same, dilated by axis": {"padding": "same", "dilation": (1, 3), "groups": 2},
    "all": {"stride": (2, 1), "padding": (2, 1), "dilation": (1, 2), "groups": 2},
}
CONV = pytest.mark.parametrize("options", CONFIGURATIONS.values(), ids=CONFIGURATIONS.keys())


def places(conv: nn.Conv2D, shape: tuple[int, ...]):
    """Every (d, c, m, n, i, j, row, column) at which W[d,c,m,n] meets a pixel of the image for output (d, i, j).

    c counts within the group; row and column are the pixel's own, which exclude the border.
    """
    (k1, k2), (s1, s2), (d1, d2), ((p1, p2), (q1, q2)) = conv.kernel_size, conv.stride, conv.dilation, conv.pads
    _, _, H, W = shape
    H_out = len(range(-p1, H + q1 - d1 * (k1 - 1), s1))
    W_out = len(range(-p2, W + q2 - d2 * (k2 - 1), s2))
    sizes = conv.out_channels, conv.in_channels // conv.groups, k1, k2, H_out, W_out
    for d, c, m, n, i, j in itertools.product(*map(range, sizes)):
        row, column = i * s1 + m * d1 - p1, j * s2 + n * d2 - p2
        if 0 <= row < H and 0 <= column < W:
            group = d // (conv.out_channels // conv.groups)
            yield d, c, m, n, i, j, group * (conv.in_channels // conv.groups) + c, row, column


def naive(conv: nn.Conv2D, x: np.ndarray, dy: np.ndarray):
    """y, dE/dx, dE/dW and dE/db, one product at a time."""
    W, b = host(conv.params["W"]), host(conv.params["b"])
    y, dx, dW = np.zeros(dy.shape) + b[:, None, None], np.zeros(x.shape), np.zeros(W.shape)
    for d, c, m, n, i, j, channel, row, column in places(conv, x.shape):
        for sample in range(len(x)):
            y[sample, d, i, j] += W[d, c, m, n] * x[sample, channel, row, column]
            dx[sample, channel, row, column] += W[d, c, m, n] * dy[sample, d, i, j]
            dW[d, c, m, n] += dy[sample, d, i, j] * x[sample, channel, row, column]
    return y, dx, dW, dy.sum((0, 2, 3))


@pytest.fixture(params=["one tile", "a position a tile"])
def workspace(request, monkeypatch):
    """The whole output in one tile, and every position of every sample in its own."""
    if request.param == "a position a tile":
        monkeypatch.setattr(im2col, "WORKSPACE_BYTES", 1)


@CONV
def test_forward_and_backward_index_by_index(options, workspace, rng):
    conv = nn.Conv2D(4, 6 if options.get("groups", 1) < 4 else 8, (3, 2), **options, **F64)
    x = rng.standard_normal((2, 4, 8, 7))
    y, backward = conv.forward(dev(x))
    dy = rng.standard_normal(y.shape)
    dx = backward(dev(dy))
    for got, want in zip((y, dx, conv.grads["W"], conv.grads["b"]), naive(conv, x, dy), strict=True):
        np.testing.assert_allclose(host(got), want, rtol=1e-12, atol=1e-13)


@CONV
def test_gradients_along_directions(options, rng):
    conv = nn.Conv2D(4, 8, (3, 2), **options, **F64)
    report = nn.gradcheck(conv, rng.standard_normal((3, 4, 9, 8)), max_elements=0)
    assert report.ok, report


def test_a_group_is_a_convolution_of_its_own(rng):
    conv = nn.Conv2D(6, 9, 3, padding=1, groups=3, **F64)
    assert conv.params["W"].shape == (9, 2, 3, 3)
    x = rng.standard_normal((2, 6, 5, 4))
    for group in range(3):
        own = nn.Conv2D(2, 3, 3, padding=1, **F64)
        for key, value in conv.params.items():
            own.params[key] = value[3 * group : 3 * group + 3]
        got = host(conv(dev(x)))[:, 3 * group : 3 * group + 3]
        np.testing.assert_allclose(got, host(own(dev(x[:, 2 * group : 2 * group + 2]))), rtol=1e-12, atol=1e-14)


def test_dilation_is_a_kernel_with_zeros_between(rng):
    conv = nn.Conv2D(2, 3, (3, 2), dilation=(2, 3), **F64)
    spread = nn.Conv2D(2, 3, (5, 4), **F64)
    spread.params["b"] = conv.params["b"]
    kernel = np.zeros((3, 2, 5, 4))
    kernel[:, :, ::2, ::3] = host(conv.params["W"])
    spread.params["W"] = kernel
    x = dev(rng.standard_normal((2, 2, 7, 8)))
    np.testing.assert_allclose(host(conv(x)), host(spread(x)), rtol=1e-12, atol=1e-14)


def test_valid_padding_is_none():
    conv = nn.Conv2D(1, 2, 3, padding="valid", rng=0)
    assert (conv.padding, repr(conv)) == ((0, 0), repr(nn.Conv2D(1, 2, 3)))


def test_same_padding_keeps_the_size_and_puts_the_odd_zero_last(rng):
    conv = nn.Conv2D(1, 1, (3, 2), padding="same", dilation=(2, 1), bias=False, dtype="float64")
    assert conv.pads == ((2, 0), (2, 1))
    conv.params["W"] = [[[[0, 0], [0, 1], [0, 0]]]]  # reads the pixel on the right
    x = rng.standard_normal((1, 1, 4, 3))
    np.testing.assert_array_equal(host(conv(dev(x))), np.pad(x[..., 1:], ((0, 0), (0, 0), (0, 0), (0, 1))))
    assert conv(dev(x[:, :, :1, :1])).shape == (1, 1, 1, 1)


def test_repr_shows_what_is_not_usual():
    assert repr(nn.Conv2D(4, 4, 3)) == "Conv2D(4, 4, kernel_size=3)"
    assert repr(nn.Conv2D(4, 4, 3, dilation=2, groups=4)) == "Conv2D(4, 4, kernel_size=3, dilation=2, groups=4)"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": 3}, "groups: expected a divisor of 4 and 6 channels, got 3"),
        ({"groups": 4}, "groups: expected a divisor of 4 and 6 channels, got 4"),
        ({"groups": 0}, "groups: expected a whole number of at least 1, got 0"),
        ({"dilation": 0}, "dilation: expected one or two whole numbers of at least 1, got 0"),
        ({"dilation": (1, 1.5)}, "dilation: expected"),
        ({"padding": "same", "stride": (1, 2)}, r"padding: 'same' needs a stride of 1, got \(1, 2\)"),
        ({"padding": "full"}, "padding: expected one or two whole numbers of at least 0, got 'full'"),
    ],
)
def test_wrong_settings(options, message):
    with pytest.raises(ValueError, match=message):
        nn.Conv2D(4, 6, 3, **options)


def test_a_dilated_kernel_larger_than_the_image():
    conv = nn.Conv2D(1, 1, 3, dilation=3, dtype="float64")
    assert conv(dev(np.ones((1, 1, 7, 7)))).shape == (1, 1, 1, 1)
    with pytest.raises(ValueError, match="larger than the padded input"):
        conv(dev(np.ones((1, 1, 7, 6))))
