"""The kernels of backend/cuda/*.cu, run on a CPU.

They are compared with references of loops over single elements, and with the equations that they stand for, bit for bit
where both add up in the same order. As a program, the same without pytest, for the compiler's sanitizers:
``python check_kernels.py [RIGHT WRONG]``.
"""

import inspect
import itertools
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import cupy
import numpy as np
import pytest
from cupy import _kernels
from cupy.stand_in import watch

import xpnn as nn
from xpnn.backend import Window
from xpnn.backend.accelerate import EQUATIONS
from xpnn.backend.cuda import convolution, kernels, recurrent
from xpnn.backend.cuda.forms import FORMS
from xpnn.backend.cuda.products import accumulate, add_rows, matmul
from xpnn.backend.shared.im2col import Tile, col2im
from xpnn.backend.shared.sequences import Steps
from xpnn.layers.activations import leaky_relu, relu, scaled_tanh, sigmoid, tanh
from xpnn.layers.conv import conv2d
from xpnn.layers.dense import dense, dense_activated
from xpnn.layers.losses import softmax_cross_entropy
from xpnn.layers.pool import max_pool, mean_pool
from xpnn.training.adam import adam
from xpnn.training.sgd import sgd

DTYPES = ("float32", "float64")
NEAR = {"float32": 2e-6, "float64": 1e-14}  # a few roundings of numbers about 1


def near(got: Any, wanted: np.ndarray, dtype: str) -> None:
    got = nn.to_numpy(got)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, wanted, rtol=NEAR[dtype], atol=NEAR[dtype])


def same(got: Any, wanted: Any) -> None:
    assert got.dtype == wanted.dtype
    np.testing.assert_array_equal(nn.to_numpy(got), nn.to_numpy(wanted))


def equation(function: Callable[..., Any]) -> Callable[..., Any]:
    """What the function would be without a form."""
    return EQUATIONS[function.__name__]


# -- pooling


class Pool(NamedTuple):
    """A case: the input's shape, the window, and how the arrays lie in memory.

    Attributes:
        memory: the axes' order in memory, the last contiguous; "gaps" for a part of a larger array, "turned" for
            negative strides.
    """

    shape: tuple[int, int, int, int]
    size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int] = (0, 0)
    memory: str = "CHWN"


POOLS = [
    Pool((3, 2, 4, 6), (2, 2), (2, 2)),
    Pool((3, 2, 4, 6), (2, 2), (2, 2), memory="NCHW"),
    Pool((3, 2, 5, 7), (2, 2), (2, 2)),  # a row and a column left over
    Pool((2, 3, 7, 6), (3, 2), (2, 1)),  # overlapping
    Pool((2, 3, 7, 6), (3, 2), (1, 1), (1, 1), "gaps"),
    Pool((2, 3, 7, 5), (3, 3), (2, 2), (1, 1), "turned"),
    Pool((2, 2, 5, 9), (1, 2), (2, 4)),  # pixels between the windows
    Pool((1, 1, 3, 3), (3, 3), (3, 3), (2, 1)),  # one sample; a window almost wholly in the border
    Pool((1, 2, 1, 4), (1, 1), (1, 1)),
    Pool((1, 1, 4, 5), (4, 5), (4, 5)),  # one window
    Pool((5, 1, 6, 2), (3, 1), (1, 2), (2, 0)),
    Pool((130, 1, 3, 4), (2, 2), (1, 2)),  # of which a thread has several samples
]


def image(rng: np.random.Generator, shape: tuple[int, ...], memory: str, dtype: str, ties: bool) -> Any:
    """A device array that lies in memory as said; with ties among small whole numbers."""
    values = rng.integers(-2, 3, shape) if ties else rng.standard_normal(shape)
    x = cupy.asarray(values.astype(dtype))
    if memory == "gaps":
        whole = cupy.zeros([2 * length + 1 for length in shape], dtype=dtype)
        part = whole[tuple(slice(1, None, 2) for _ in shape)]
    elif memory == "turned":
        part = cupy.zeros(shape, dtype=dtype)[::-1, :, ::-1, ::-1]
    else:
        order = ["NCHW".index(axis) for axis in memory]
        part = cupy.zeros([shape[axis] for axis in order], dtype=dtype).transpose(*np.argsort(order).tolist())
    part[...] = x
    return part


def pooled(x: np.ndarray, dy: np.ndarray, case: Pool, largest: bool) -> tuple[np.ndarray, np.ndarray]:
    """y and dx, pixel by pixel; the first pixel in order wins."""
    y, dx = np.zeros(dy.shape), np.zeros(x.shape)
    (k1, k2), (s1, s2), (p1, p2) = case.size, case.stride, case.padding
    for n, c, i, j in np.ndindex(*dy.shape):
        places = [(i * s1 + m - p1, j * s2 + k - p2) for m in range(k1) for k in range(k2)]
        inside = [(h, w) for h, w in places if 0 <= h < x.shape[2] and 0 <= w < x.shape[3]]
        values = [float(x[n, c, h, w]) for h, w in inside]
        if largest:
            y[n, c, i, j] = max(values)
            h, w = inside[values.index(max(values))]
            dx[n, c, h, w] += float(dy[n, c, i, j])
        else:
            y[n, c, i, j] = sum(values) / (k1 * k2)
            for h, w in inside:
                dx[n, c, h, w] += float(dy[n, c, i, j]) / (k1 * k2)
    return y, dx


def mean_in_order(x: np.ndarray, dy: np.ndarray, case: Pool) -> tuple[np.ndarray, np.ndarray]:
    """y and dx in the order of a kernel's and of the CPU's sums: down each column, then along the row of results."""
    (k1, k2), (s1, s2), (p1, p2), (N, C, H, W) = case.size, case.stride, case.padding, case.shape
    rows, cols = dy.shape[2:]
    scale = x.dtype.type(1 / (k1 * k2))
    padded, dx = (np.zeros((N, C, H + 2 * p1, W + 2 * p2), x.dtype) for _ in range(2))
    padded[:, :, p1 : p1 + H, p2 : p2 + W] = x
    columns = sum(padded[:, :, m : m + rows * s1 : s1] for m in range(k1))
    y = sum(columns[..., n : n + cols * s2 : s2] for n in range(k2)) * scale
    for m, n in np.ndindex(k1, k2):
        dx[:, :, m : m + rows * s1 : s1, n : n + cols * s2 : s2] += dy * scale
    return y, dx[:, :, p1 : p1 + H, p2 : p2 + W]


def examine_pool(function: Callable[..., Any], case: Pool, dtype: str) -> None:
    rng = np.random.default_rng(0)
    x = image(rng, case.shape, case.memory, dtype, ties=function is max_pool)
    window = Window(case.size, case.stride, case.padding)
    dy = image(rng, (*case.shape[:2], *window.positions(case.shape[2:])), case.memory, dtype, ties=False)
    y, backward = function(x, window)
    dx = backward(dy)
    naive = pooled(nn.to_numpy(x), nn.to_numpy(dy), case, function is max_pool)
    near(y, naive[0], dtype)
    near(dx, naive[1], dtype)
    y_equation, backward_equation = equation(function)(x, window)
    if function is max_pool:
        same(y, y_equation)
        same(dx, backward_equation(dy))
    else:
        near(y, nn.to_numpy(y_equation), dtype)
        near(dx, nn.to_numpy(backward_equation(dy)), dtype)
        for mine, in_order in zip((y, dx), mean_in_order(*map(nn.to_numpy, (x, dy)), case), strict=True):
            same(mine, in_order)
    assert [array.transpose(2, 1, 3, 0).flags.c_contiguous for array in (y, dx)] == [True, True]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", POOLS, ids=str)
@pytest.mark.parametrize("function", [max_pool, mean_pool], ids=["max", "mean"])
def test_pooling(function, case, dtype):
    examine_pool(function, case, dtype)


def test_max_pooling_without_backward_gives_the_same():
    x = image(np.random.default_rng(0), (2, 3, 7, 5), "CHWN", "float32", ties=True)
    window = Window((3, 3), (2, 2), (1, 1))
    y, backward = max_pool(x, window, False)
    same(y, max_pool(x, window)[0])
    assert backward(y) is None


def test_nan_and_infinity_go_through_max_pooling_as_through_the_equation():
    x = cupy.asarray(np.array([[np.nan, 1], [2, 3], [4, np.nan], [-np.inf, -np.inf]], "float32").reshape(4, 1, 1, 2))
    window = Window((1, 2), (1, 2), (0, 1))
    y, backward = max_pool(x, window)
    same(y, equation(max_pool)(x, window)[0])
    assert nn.to_numpy(backward(nn.xp.ones_like(y)))[3].tolist() == [[[1, 1]]]  # never lost in the border


def test_pooling_takes_one_launch_each_way():
    x = cupy.zeros((2, 3, 6, 6))
    with watch() as seen:
        for function in (max_pool, mean_pool):
            y, backward = function(x, Window((3, 3), (2, 2), (1, 1)))
            backward(y)
    assert seen.launches == {"max_pool": 1, "mean_pool": 1, "pool_gradient": 2}


# -- col2im


class Columns(NamedTuple):
    """A case: (G, C/G), (H, W) of the padded image, along its width the kernel, stride and dilation, and the tile's
    rows of the image, columns of the output, and samples of 5."""

    channels: tuple[int, int]
    image: tuple[int, int]
    kernel: int
    stride: int = 1
    dilation: int = 1
    tile: tuple[tuple[int, int], ...] = ((0, 4), (0, 3), (0, 5))


COLUMNS = [
    Columns((1, 2), (4, 5), 3),
    Columns((2, 3), (4, 7), 2, 3, tile=((0, 2), (0, 2), (0, 5))),  # pixels between the kernels
    Columns((1, 1), (6, 9), 3, 2, 3, tile=((1, 3), (0, 2), (2, 4))),
    Columns((2, 1), (8, 8), 2, 1, 2, tile=((3, 8), (2, 6), (4, 5))),
    Columns((1, 1), (1, 1), 1, tile=((0, 1), (0, 1), (0, 1))),
]


def examine_columns(case: Columns, dtype: str) -> None:
    rng = np.random.default_rng(0)
    (G, channels), tile = case.channels, Tile(*(slice(*ends) for ends in case.tile))
    rows, cols, samples = (part.stop - part.start for part in tile)
    lines = cupy.asarray(rng.standard_normal((G, rows, channels * case.kernel, cols * samples)).astype(dtype))
    H, W = case.image
    out = cupy.asarray(rng.standard_normal((H, G * channels, W, 5)).astype(dtype))
    wanted, given = nn.to_numpy(out.copy()).astype("float64"), nn.to_numpy(lines)
    for g, r, c, k, j, n in np.ndindex(G, rows, channels, case.kernel, cols, samples):
        col = (tile.cols.start + j) * case.stride + k * case.dilation
        pixel = (tile.rows.start + r, g * channels + c, col, tile.samples.start + n)
        wanted[pixel] += given[g, r, c * case.kernel + k, j * samples + n]
    theirs, reals = out.copy(), dict(kernels.REAL)
    kernels.REAL.clear()
    col2im(lines, theirs, case.kernel, case.stride, tile, case.dilation)
    kernels.REAL.update(reals)
    with watch() as seen:
        col2im(lines, out, case.kernel, case.stride, tile, case.dilation)
    assert seen.launches == {"col2im": 1}
    near(out, wanted, dtype)
    same(out, theirs)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", COLUMNS, ids=str)
def test_col2im(case, dtype):
    examine_columns(case, dtype)


# -- convolution


class Conv(NamedTuple):
    """A case: the input's shape, kernels (D, k1, k2), padding, dilation, how x and dy lie in memory, and from how many
    multiplications on the kernels' gradient is that of many kernels."""

    shape: tuple[int, int, int, int]
    kernels: tuple[int, int, int]
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    memory: str = "HCWN"
    wide: int = 1 << 30


CONVS = [
    Conv((3, 2, 5, 4), (3, 2, 3)),
    Conv((2, 3, 4, 6), (9, 3, 2), (1, 2), memory="NCHW"),
    Conv((5, 1, 7, 6), (1, 2, 2), (1, 0), (3, 2), "gaps"),
    Conv((2, 2, 3, 3), (2, 1, 2), (1, 2), memory="turned"),  # a border that no output needs
    Conv((130, 8, 2, 2), (8, 2, 3), (1, 1)),  # more than 64 terms, and threads with several samples
    Conv((150, 3, 4, 5), (17, 3, 3), (1, 1)),  # threads with several places
    Conv((3, 2, 3, 4), (33, 2, 2), wide=0),
    Conv((9, 24, 4, 4), (34, 3, 2), (1, 1), (1, 2), wide=0),  # by way of cuBLAS
]


def convolved(x: np.ndarray, W: np.ndarray, b: np.ndarray, dy: np.ndarray, case: Conv) -> list[np.ndarray]:
    """y, dW, db and dx, place by place under the kernels."""
    (p1, p2), (d1, d2), (_, _, H, width) = case.padding, case.dilation, x.shape
    o = np.pad(x, ((0, 0), (0, 0), (p1, p1), (p2, p2)))
    y, dW, do = np.zeros(dy.shape) + b[:, None, None], np.zeros(W.shape), np.zeros(o.shape)
    for m, n in np.ndindex(*W.shape[2:]):
        places = (..., slice(m * d1, m * d1 + dy.shape[2]), slice(n * d2, n * d2 + dy.shape[3]))
        for d, c in np.ndindex(*W.shape[:2]):
            y[:, d] += W[d, c, m, n] * o[places][:, c]
            dW[d, c, m, n] = (dy[:, d] * o[places][:, c]).sum()
            do[places][:, c] += W[d, c, m, n] * dy[:, d]
    return [y, dW, dy.sum((0, 2, 3)), do[:, :, p1 : p1 + H, p2 : p2 + width]]


def examine_convolution(case: Conv, dtype: str) -> None:
    rng, before = np.random.default_rng(0), convolution._WIDE
    D, *size = case.kernels
    x = image(rng, case.shape, case.memory, dtype, ties=False)
    W, b = (cupy.asarray(rng.standard_normal(s).astype(dtype)) for s in ((D, case.shape[1], *size), D))
    window = Window((size[0], size[1]), (1, 1), case.padding, case.dilation)
    dy = image(rng, (case.shape[0], D, *window.positions(case.shape[2:])), case.memory, dtype, ties=False)
    y, backward = conv2d(x, {"W": W, "b": b}, window, 1)
    dW, db = cupy.ones(W.shape, dtype=dtype), cupy.ones(D, dtype=dtype)
    try:
        convolution._WIDE = case.wide
        dx = backward(dy, {"W": dW, "b": db})
    finally:
        convolution._WIDE = before
    wanted = convolved(*(nn.to_numpy(array).astype("float64") for array in (x, W, b, dy)), case)
    sizes = convolved(*(np.abs(nn.to_numpy(array).astype("float64")) for array in (x, W, b, dy)), case)
    for mine, naive, size_of, start in zip((y, dW, db, dx), wanted, sizes, (0, 1, 1, 0), strict=True):
        scale = 1 + size_of  # as much as is added up
        near(mine / cupy.asarray(scale.astype(dtype)), (naive + start) / scale, dtype)
    assert [array.transpose(2, 1, 3, 0).flags.c_contiguous for array in (y, dx)] == [True, True]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CONVS, ids=str)
def test_convolution(case, dtype):
    examine_convolution(case, dtype)


@pytest.mark.parametrize(("stride", "groups"), [((2, 1), 1), ((1, 1), 2)])
def test_other_convolutions_go_by_way_of_im2col(stride, groups):
    x, params = cupy.zeros((2, 4, 5, 5)), {"W": cupy.zeros((4, 4 // groups, 3, 3)), "b": cupy.zeros(4)}
    with watch() as seen:
        conv2d(x, params, Window((3, 3), stride), groups)
    assert "correlate_1" not in seen.launches


def test_launches_of_a_convolution():
    x, W, b, dW, db = (cupy.zeros(shape) for shape in ((2, 3, 5, 5), (4, 3, 3, 3), 4, (4, 3, 3, 3), 4))
    with watch() as seen:
        y, backward = conv2d(x, {"W": W, "b": b}, Window((3, 3), (1, 1), (1, 1)), 1)
        backward(y, {"W": dW, "b": db})
    assert seen.launches == {"pad": 2, "correlate_1": 2, "kernel_gradient": 1, "row_sums": 2}


# -- recurrence


def examine_elman(H: int, N: int, T: int, each: bool, dtype: str) -> None:
    rng = np.random.default_rng(0)
    made = [rng.standard_normal(shape) for shape in ((N * T, H), (N + N * T, H), (H, H), (N * T, H), (N, H))]
    made[2] /= math.sqrt(H)
    a, h, W_h, dh_rows, dh = (array.astype(dtype).astype("float64") for array in made)
    on_device = [cupy.asarray(array.astype(dtype)) for array in made]
    params, grads = {"W_h": on_device[2]}, {"W_h": cupy.ones((H, H), dtype=dtype)}
    backward = recurrent._elman_scan(on_device[0], [on_device[1]], params, Steps(N, T))
    for t, n in itertools.product(range(T), range(N)):
        row, k = t * N + n, (t + 1) * N + n
        h[k] = [math.tanh(a[row, i] + math.fsum(W_h[i] * h[row])) for i in range(H)]
    near(on_device[1], h, dtype)
    delta = backward(on_device[3] if each else None, [on_device[4]], grads)
    wanted = np.zeros((N * T, H))
    for t, n in itertools.product(reversed(range(T)), range(N)):
        row = t * N + n
        if each:
            dh[n] += dh_rows[row]
        wanted[row] = dh[n] * (1 - h[row + N] ** 2)
        dh[n] = [math.fsum(W_h[:, i] * wanted[row]) for i in range(H)]
    near(delta, wanted, dtype)
    near(on_device[4], dh, dtype)
    scale = 1 + np.abs(wanted).T @ np.abs(h[: N * T])  # as much as is added up
    near(grads["W_h"] / cupy.asarray(scale.astype(dtype)), (1 + wanted.T @ h[: N * T]) / scale, dtype)


ELMANS = [(1, 1, 1, True), (3, 2, 4, False), (33, 2, 3, True), (70, 3, 2, True)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("H", "N", "T", "each"), [*ELMANS, (128, 1, 2, False)])
def test_elman(H, N, T, each, dtype):
    examine_elman(H, N, T, each, dtype)


def test_the_largest_elman():
    examine_elman(192, 1, 2, True, "float32")


def test_launches_of_a_recurrence():
    layer = nn.RNN(3, 4, rng=0)
    y, backward = layer.forward(cupy.zeros((2, 5, 3), dtype="float32"))
    with watch() as seen:
        y, backward = layer.forward(cupy.zeros((2, 5, 3), dtype="float32"))
        backward(y)
    assert (seen.launches["elman_32"], seen.launches["elman_gradient_32"]) == (1, 1)
    with watch() as seen:
        nn.RNN(3, 193, rng=0)(cupy.zeros((2, 5, 3), dtype="float32"))
        layer(cupy.zeros((2, 5, 3), dtype="float32"), lengths=[5, 2])
    assert "elman_32" not in seen.launches


# -- sums

SUMS = [(1, 1), (3, 40), (5, 700), (9, 300), (1, 5000), (300, 3)]


def examine_sums(shape: tuple[int, int], turned: bool, dtype: str) -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal(shape).astype(dtype)
    x = cupy.asarray(rows if turned else np.ascontiguousarray(rows.T))
    out = cupy.asarray(rng.standard_normal(shape[0]).astype(dtype))
    start, scale = nn.to_numpy(out.copy()), 1 + np.abs(rows).sum(1, dtype="float64")
    add_rows(out, x.T if turned else x)
    near(out / cupy.asarray(scale.astype(dtype)), (start + rows.sum(1, dtype="float64")) / scale, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("shape", SUMS, ids=str)
def test_sums_of_rows(shape, turned, dtype):
    examine_sums(shape, turned, dtype)


def examine_pieces(dtype: str) -> None:
    """A product with a small result and long sums, which cuBLAS makes in pieces."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((5, 160)).astype(dtype), rng.standard_normal((160, 7)).astype(dtype)
    wanted, out = a.astype("float64") @ b, cupy.zeros((5, 7), dtype=dtype)
    for left in (cupy.asarray(a), cupy.asarray(np.ascontiguousarray(a.T)).T):
        out[...] = 1
        accumulate(out, left, cupy.asarray(b))
        near(out / 20, (1 + wanted) / 20, dtype)
        near(matmul(left, cupy.asarray(b)) / 20, wanted / 20, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_product_in_pieces(dtype):
    with watch() as seen:
        examine_pieces(dtype)
    assert seen.launches["row_sums"] == 4


# -- activations

ACTIVATIONS: dict[Any, tuple[tuple[float, ...], Callable[[float], float], Callable[[float], float]]] = {
    sigmoid: ((), lambda z: 1 / (1 + math.exp(-z)), lambda z: math.exp(-z) / (1 + math.exp(-z)) ** 2),
    tanh: ((), math.tanh, lambda z: 1 / math.cosh(z) ** 2),
    scaled_tanh: ((1.5, 0.6), lambda z: 1.5 * math.tanh(0.6 * z), lambda z: 0.9 / math.cosh(0.6 * z) ** 2),
    relu: ((), lambda z: max(z, 0.0), lambda z: float(z > 0)),
    leaky_relu: ((-0.3,), lambda z: z if z > 0 else -0.3 * z, lambda z: 1.0 if z > 0 else -0.3),
}
"""The constants, f and f', the latter from z."""

ORDERS = ("NCHW", "CHWN", "HCWN", "gaps", "turned")


def examine_activation(function: Any, memory: str, dy_memory: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    constants, f, slope = ACTIVATIONS[function]
    x, dy = (image(rng, (2, 3, 4, 5), order, dtype, ties=False) for order in (memory, dy_memory))
    x[0, 0, 0, 0] = 0
    before = nn.to_numpy(x.copy())
    y, backward = function(x, *constants)
    near(y, np.vectorize(f, otypes=[float])(before), dtype)
    near(backward(dy), np.vectorize(slope, otypes=[float])(before) * nn.to_numpy(dy), dtype)
    y_equation, backward_equation = equation(function)(x, *constants)
    near(y, nn.to_numpy(y_equation), dtype)
    near(backward(dy), nn.to_numpy(backward_equation(dy)), dtype)
    assert (nn.to_numpy(x) == before).all()  # it may be another layer's too


def examine_bias(function: Any, shape: tuple[int, int], dtype: str) -> None:
    """A dense layer whose weights are the identity, so that its z is the input, and its input's gradient is delta."""
    rng = np.random.default_rng(0)
    constants, f, slope = ACTIVATIONS.get(function, ((), lambda z: z, lambda z: 1.0))
    z, dy = (cupy.asarray(rng.standard_normal(shape).astype(dtype)) for _ in range(2))
    b, db = (cupy.asarray(rng.standard_normal(shape[0]).astype(dtype)) for _ in range(2))
    start, biased = nn.to_numpy(db.copy()), nn.to_numpy(z + b[:, None]).astype("float64")
    params = {"W": cupy.eye(shape[0], dtype=dtype), "b": b}
    y, backward = dense(z, params) if function is dense else dense_activated(z, params, function, constants)
    near(y, np.vectorize(f, otypes=[float])(biased), dtype)
    delta = np.vectorize(slope, otypes=[float])(biased) * nn.to_numpy(dy)
    near(backward(dy, {"W": cupy.zeros((shape[0], shape[0]), dtype=dtype), "b": db}), delta, dtype)
    scale = 1 + np.abs(delta).sum(1)  # as much as is added up
    near(db / cupy.asarray(scale.astype(dtype)), (start + delta.sum(1)) / scale, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("memory", "dy_memory"), [*zip(ORDERS, ORDERS, strict=True), ("CHWN", "NCHW")])
@pytest.mark.parametrize("function", ACTIVATIONS, ids=lambda function: function.__name__)
def test_activation(function, memory, dy_memory, dtype):
    examine_activation(function, memory, dy_memory, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (3, 1), (1, 7), (5, 300), (3, 8200)], ids=str)
@pytest.mark.parametrize("function", [*ACTIVATIONS, dense], ids=lambda function: function.__name__)
def test_activation_with_a_bias(function, shape, dtype):
    examine_bias(function, shape, dtype)


def test_launches_of_an_activation_with_a_bias():
    a, dy, (b, db), (W, dW) = cupy.zeros((5, 6)), cupy.zeros((4, 6)), cupy.zeros((2, 4)), cupy.zeros((2, 4, 5))
    for function, name in ((tanh, "activation_gradients"), (None, "row_sums")):
        params, grads = {"W": W, "b": b}, {"W": dW, "b": db}
        with watch() as seen:
            _, backward = dense(a, params) if function is None else dense_activated(a, params, function, ())
            backward(dy, grads)
        assert seen.launches == {"gemm": 3, "add" if function is None else "activation": 1, name: 1}


def test_nan_goes_through_every_activation():
    for function, (constants, _, _) in ACTIVATIONS.items():
        y, _ = function(cupy.asarray(np.array([[np.nan]])), *constants)
        assert np.isnan(nn.to_numpy(y)).all()


# -- optimisers


def vectors(rng: np.random.Generator, count: int, size: int, dtype: str) -> list[Any]:
    """Device vectors, the last of them not negative, each a part of a longer one whose ends must stay as they are."""
    made = [rng.standard_normal(size) for _ in range(count)]
    made[-1] = np.abs(made[-1])
    whole = [cupy.asarray(np.pad(one, 3, constant_values=7).astype(dtype)) for one in made]
    return [one[3:-3] for one in whole]


def untouched(part: Any) -> None:
    ends = nn.to_numpy(part.base)
    assert (ends[:3] == 7).all()
    assert (ends[-3:] == 7).all()


SGDS = [(0.0, False, 0.0), (0.0, False, 0.1), (0.9, False, 0.0), (0.9, True, 0.0), (0.8, False, 0.2), (0.8, True, 0.2)]


def examine_sgd(momentum: float, nesterov: bool, decay: float, size: int, dtype: str, on_device: bool) -> None:
    params, grads, velocity = vectors(np.random.default_rng(0), 3, size, dtype)
    v = velocity if momentum else None
    copies = [None if x is None else x.copy() for x in (params, grads, v)]
    p, g, old = (nn.to_numpy(x.copy()).tolist() for x in (params, grads, velocity))
    rate = cupy.asarray(np.array(0.3, dtype)) if on_device else 0.3
    sgd(params, grads, v, rate, momentum, nesterov, decay)
    equation(sgd)(*copies, rate, momentum, nesterov, decay)
    wanted = []
    for i in range(size):
        gradient = g[i] + decay * p[i]
        speed = momentum * old[i] + gradient
        step = (gradient + momentum * speed if nesterov else speed) if momentum else gradient
        wanted.append((p[i] - 0.3 * step, speed if momentum else old[i]))
    near(params, np.array(wanted)[:, 0], dtype)
    near(velocity, np.array(wanted)[:, 1], dtype)
    for mine, theirs in zip((params, grads, v), copies, strict=True):
        if mine is not None:
            same(mine, theirs)
    assert not nn.to_numpy(grads).any()
    for part in (params, grads, velocity):
        untouched(part)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("on_device", [False, True])
@pytest.mark.parametrize(("momentum", "nesterov", "decay"), SGDS)
@pytest.mark.parametrize("size", [1, 255, 256, 513])
def test_sgd(momentum, nesterov, decay, size, on_device, dtype):
    examine_sgd(momentum, nesterov, decay, size, dtype, on_device)


ADAMS = [(1.0, 0.0), (1.0, 0.1), (0.9, 0.0)]


def examine_adam(shrink: float, decay: float, size: int, dtype: str, on_device: bool) -> None:
    state = vectors(np.random.default_rng(0), 4, size, dtype)
    copies = [x.copy() for x in state]
    p, g, m, v = (nn.to_numpy(x.copy()).tolist() for x in state)
    scalars = [cupy.asarray(np.array(x, dtype)) if on_device else x for x in (0.3, 1e-3, shrink)]
    adam(*state, scalars, (0.8, 0.95), decay)
    assert not nn.to_numpy(state[1]).any()
    equation(adam)(*copies, scalars, (0.8, 0.95), decay)
    wanted = []
    for i in range(size):
        before = p[i] * shrink
        gradient = g[i] + decay * before
        mean, square = 0.8 * m[i] + 0.2 * gradient, 0.95 * v[i] + 0.05 * gradient**2
        wanted.append((before - 0.3 * mean / (math.sqrt(square) + 1e-3), 0.0, mean, square))
    for mine, theirs, naive in zip(state, copies, np.array(wanted).T, strict=True):
        same(mine, theirs)
        near(mine, naive, dtype)
        untouched(mine)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("on_device", [False, True])
@pytest.mark.parametrize(("shrink", "decay"), ADAMS)
@pytest.mark.parametrize("size", [1, 255, 256, 513])
def test_adam(shrink, decay, size, on_device, dtype):
    examine_adam(shrink, decay, size, dtype, on_device)


def test_a_number_of_another_dtype_is_converted_and_an_array_refused():
    params, grads = vectors(np.random.default_rng(0), 2, 5, "float64")
    copies = [x.copy() for x in (params, grads)]
    sgd(params, grads, None, cupy.asarray(np.array(0.25, "float32")), 0.0, False, 0.0)
    equation(sgd)(*copies, None, 0.25, 0.0, False, 0.0)
    same(params, copies[0])
    with pytest.raises(TypeError, match="sgd: expected arrays of float64, got one of float32"):
        sgd(params, grads.astype("float32"), None, 0.25, 0.0, False, 0.0)


def test_whole_numbers_as_settings():
    params, grads, m, v = vectors(np.random.default_rng(0), 4, 5, "float32")
    copies = [x.copy() for x in (params, grads, m, v)]
    for function, arrays in ((adam, (params, grads, m, v)), (equation(adam), copies)):
        function(*arrays, (1, 1, 1), (0, 0), 0.0)
    same(params, copies[0])


def test_no_parameters():
    nothing = cupy.zeros(0, dtype="float32")
    sgd(nothing, nothing.copy(), None, 0.1, 0.0, False, 0.0)


@pytest.mark.parametrize("optimizer", [nn.SGD(0.1, 0.9, True, 0.1), nn.Adam(weight_decay=0.1), nn.AdamW()])
def test_a_step_takes_one_launch(optimizer):
    model = nn.MLP((5, 4, 3), rng=0)
    optimizer.step(model)
    with watch() as seen:
        optimizer.step(model)
    assert seen.launches == {"sgd" if isinstance(optimizer, nn.SGD) else "adam": 1}


# -- softmax cross-entropy

LOGITS = {
    "rows": lambda z: z,
    "columns": lambda z: cupy.asarray(np.ascontiguousarray(nn.to_numpy(z).swapaxes(0, -1))).swapaxes(0, -1),
    "gaps": lambda z: cupy.asarray(nn.to_numpy(z).repeat(2, -1))[..., ::2],
    "turned": lambda z: cupy.asarray(np.ascontiguousarray(nn.to_numpy(z)[..., ::-1]))[..., ::-1],
}


def cross_entropy(z: np.ndarray, t: np.ndarray) -> tuple[float, np.ndarray]:
    """Value and gradient, by the formulas alone, in double precision."""
    losses, dz = [], np.zeros(z.shape)
    for n in np.ndindex(t.shape):
        e = [math.exp(float(z[(*n, k)])) for k in range(z.shape[-1])]
        losses.append(math.log(math.fsum(e)) - float(z[(*n, int(t[n]))]))
        for k, one in enumerate(e):
            dz[(*n, k)] = (one / math.fsum(e) - (k == t[n])) / t.size
    return math.fsum(losses) / t.size, dz


def examine_loss(shape: tuple[int, ...], memory: str, dtype: str, kind: str) -> None:
    rng = np.random.default_rng(0)
    z = LOGITS[memory](cupy.asarray((2 * rng.standard_normal(shape)).astype(dtype)))
    t = cupy.asarray(rng.integers(0, shape[-1], shape[:-1]).astype(kind))
    value, backward = softmax_cross_entropy(z, t, "a label")
    naive_value, naive_dz = cross_entropy(nn.to_numpy(z), nn.to_numpy(t))
    value_equation, backward_equation = equation(softmax_cross_entropy)(z, t, "a label")
    for mine, naive, theirs in ((value, naive_value, value_equation), (backward(), naive_dz, backward_equation())):
        assert mine.shape == theirs.shape
        near(mine, naive, dtype)
        near(mine, nn.to_numpy(theirs), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["int64", "int32", "uint8"])
@pytest.mark.parametrize("memory", LOGITS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (300, 3), (2, 3, 5)], ids=str)
def test_softmax_cross_entropy(shape, memory, kind, dtype):
    examine_loss(shape, memory, dtype, kind)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(300, 3), (4, 5, 3)])
def test_weights_and_ignored_labels(shape, dtype):
    """Also where several blocks of threads sum the weights."""
    rng = np.random.default_rng(0)
    z, labels = rng.standard_normal(shape).astype(dtype), rng.integers(0, 3, shape[:-1])
    labels[::2] = -100
    for w in None, rng.random(shape[0]).astype(dtype), np.zeros(shape[:-1], dtype):
        arrays = cupy.asarray(z), cupy.asarray(labels), "a label", -100, None if w is None else cupy.asarray(w)
        (value, backward), (wanted, equations) = (
            f(*arrays) for f in (softmax_cross_entropy, equation(softmax_cross_entropy))
        )
        near(value, nn.to_numpy(wanted), dtype)
        near(backward(), nn.to_numpy(equations()), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_logits_too_large_for_exp(dtype):
    z = cupy.asarray(np.array([[1000, 0, -1000], [-1e4, -1e4, -1e4]], dtype))
    value, backward = softmax_cross_entropy(z, cupy.asarray(np.array([0, 1])), "a label")
    near(value, np.array(math.log(3) / 2), dtype)
    near(backward(), np.array([[0, 0, 0], [1 / 6, -1 / 3, 1 / 6]]), dtype)


def test_nan_goes_on_into_the_loss():
    for place in range(3):
        z = np.zeros((2, 3))
        z[1, place] = np.nan
        value, _ = softmax_cross_entropy(cupy.asarray(z), cupy.asarray(np.array([0, 1])), "a label")
        assert np.isnan(nn.to_numpy(value))


@pytest.mark.parametrize("wrong", [-1, 3, 1 << 40, -(1 << 40)])
def test_a_wrong_label_is_told_at_the_next_synchronisation(wrong):
    """And reads nothing that lies elsewhere."""
    z, labels = cupy.zeros((300, 3)), np.zeros(300, int)
    labels[299] = wrong
    value, backward = nn.SoftmaxCrossEntropy().forward(z, cupy.asarray(labels))
    with pytest.raises(ValueError, match="a label lies outside \\[0, 3\\)"):
        nn.to_numpy(value)
    near(value, np.array(math.log(3)), "float64")
    near(backward()[299], np.full(3, 1 / 900), "float64")
    nn.synchronize()  # told once


def test_the_loss_takes_one_launch_and_one_for_the_mean():
    z, t = cupy.zeros((4, 3)), cupy.zeros(4, dtype="int64")
    nn.SoftmaxCrossEntropy().forward(z, t)
    with watch() as seen:
        _, backward = nn.SoftmaxCrossEntropy().forward(z, t)
        backward()
    assert seen.launches == {"softmax_cross_entropy": 1, "row_sums": 1}


# -- all of them


def examine_all(dtype: str) -> None:
    test_nan_goes_through_every_activation()
    test_logits_too_large_for_exp(dtype)
    test_weights_and_ignored_labels((300, 3), dtype)
    test_a_wrong_label_is_told_at_the_next_synchronisation(3)
    for function, case in itertools.product((max_pool, mean_pool), POOLS):
        examine_pool(function, case, dtype)
    for case in COLUMNS:
        examine_columns(case, dtype)
    for sizes in ELMANS:
        examine_elman(*sizes, dtype)
    for shape, turned in itertools.product(SUMS, (False, True)):
        examine_sums(shape, turned, dtype)
    for function in ACTIVATIONS:
        for memory in ORDERS:
            examine_activation(function, memory, memory, dtype)
        examine_bias(function, (5, 300), dtype)
    for (momentum, nesterov, decay), on_device in itertools.product(SGDS, (False, True)):
        examine_sgd(momentum, nesterov, decay, 257, dtype, on_device)
    for (shrink, decay), on_device in itertools.product(ADAMS, (False, True)):
        examine_adam(shrink, decay, 257, dtype, on_device)
    for shape, memory in itertools.product([(1, 7), (300, 3), (2, 3, 5)], LOGITS):
        examine_loss(shape, memory, dtype, "int64")
    for case in CONVS:  # which take as long as all others
        examine_convolution(case, dtype)
    test_indices_of_more_than_32_bits((1 << 32) + 7, 3)  # last: its probe is compiled anew


@pytest.mark.parametrize("a", [0, 1, 7, (1 << 31) + 5, (1 << 32) - 1, 1 << 32, (1 << 40) + 123])
@pytest.mark.parametrize("b", [1, 3, (1 << 31) + 1, (1 << 32) + 1])
def test_indices_of_more_than_32_bits(a, b):
    probe = 'extern "C" __global__ void probe(Index* a, Index b) { a[1] = unravel(a[0], b); }'
    module = cupy.RawModule(code=f"{kernels.source()}\n{probe}", options=("-DREAL=float",))
    numbers = cupy.asarray(np.array([a, 0]))
    module.get_function("probe")((1,), (1,), (numbers, np.int64(b)))
    assert nn.to_numpy(numbers).tolist() == [a // b, a % b]


def test_the_order_of_threads_does_not_matter(monkeypatch):
    monkeypatch.setattr(_kernels, "backwards", True)
    examine_all("float64")


def test_each_form_has_its_equations_parameters():
    def parameters(function: Callable[..., Any]) -> list[tuple[Any, ...]]:
        return [(p.name, p.kind, p.default is p.empty) for p in inspect.signature(function).parameters.values()]

    assert set(FORMS) <= set(EQUATIONS)
    for name, form in FORMS.items():
        assert parameters(form) == parameters(EQUATIONS[name]), name


def test_other_dtypes_take_the_equations():
    x = cupy.asarray(np.arange(16, dtype="float16").reshape(1, 1, 4, 4))
    y, _ = max_pool(x, Window((2, 2), (2, 2)))
    assert nn.to_numpy(y).ravel().tolist() == [5, 7, 13, 15]
    assert y.dtype == "float16"


def test_a_program_for_a_gpus_checks_launches_every_kernel():
    from every_kernel import main

    names = set(re.findall(r"__global__ void (?:__launch_bounds__\(\d+\) )?(\w+)\(", kernels.source()))
    with watch() as seen:
        main()
    assert "wide_kernel_gradient" in names
    assert names <= seen.launches.keys()


SOURCE = kernels.source()


def plant(right: str, wrong: str) -> str:
    """The kernels with a wrong snippet in the place of a right one."""
    assert SOURCE.count(right) == 1, f"{right!r} occurs {SOURCE.count(right)} times"
    return SOURCE.replace(right, wrong)


@pytest.fixture
def planted(monkeypatch):
    def forget() -> None:
        kernels._module.cache_clear()
        kernels._function.cache_clear()

    def planted(right: str, wrong: str) -> None:
        source = plant(right, wrong)
        monkeypatch.setattr(kernels, "source", lambda: source)
        forget()

    yield planted
    forget()


ERRORS = [
    ("(h) * x##_h", "(h) * x##_w", "a row by the columns' stride"),
    ("where < 0 || value > largest", "where < 0 || value >= largest", "the last of several"),
    ("REAL largest = 0;\n        int where = -1", "REAL largest = 0;\n        int where = 0", "0 wins"),
    ("where = (int)(m * k2 + k)", "where = (int)(m * k1 + k)", "place in a window that is not square"),
    ("if (h >= 0 && h < H) column", "if (h > 0 && h < H) column", "first row left out"),
    ("= sum * scale", "= sum", "sum for a mean"),
    ("last(h + p1, s1, H_out)", "last(h, s1, H_out)", "border forgotten in height"),
    ("last(w + p2, s2, W_out)", "last(w, s2, W_out)", "border forgotten in width"),
    ("i >= 0 && i * s1 + k1 > h + p1", "i >= 0 && i * s1 + k1 > h + p1 + 1", "first row under the window left out"),
    ("j >= 0 && j * s2 + k2 > w + p2", "j >= 0 && j * s2 + k2 >= w + p2", "a column beside the window"),
    ("AT(winner, n, c, i, j) == place", "place == 0", "the first place for the winner"),
    ("sum += scale * AT", "sum = scale * AT", "overlapping windows not summed"),
    ("return i < windows ? i : windows - 1", "return i < windows ? i : windows - 2", "last window left out"),
    ("REAL sum = AT(out, n, c, r, w)", "REAL sum = 0", "what was there is lost"),
    ("k < K && k * d <= w", "k < K && k * d < w", "first column left out"),
    ("quotient(w - k * d, s)", "quotient(w - k, s)", "dilation forgotten"),
    ("j < columns && j * s == w - k * d", "j < columns", "pixels between the kernels"),
    ("((row + k) * columns + j)", "((row + K - 1 - k) * columns + j)", "kernel turned"),
    ("(g * H + r) * channels", "r * channels", "group forgotten"),
    ("(long long)(a | b) >> 32 ? a / b", "(long long)a >> 40 ? a / b", "divisors cut to 32 bits"),
    ("b[quotient(i, columns)]", "b[i % 5]", "bias by column"),
    ("(REAL)0.5 * tanh((REAL)0.5 * x) + (REAL)0.5", "tanh(x)", "tanh for sigmoid"),
    ("? p * tanh(q * x)", "? p * tanh(x)", "slope forgotten"),
    (": x > 0 || x != x  ? x", ": x > 0 ? x", "NaN lost"),
    ("? x * (1 - x)", "? 1 - x", "missing factor"),
    ("? 1 - x * x", "? 1 - x", "square forgotten"),
    ("q * (p - x * x / p)", "q * (p - x * x)", "amplitude forgotten"),
    (": x > 0            ? (REAL)1", ": x >= 0            ? (REAL)1", "slope of 1 at 0"),
    ("db[row] += sum;", "db[row] = sum;", "overwrites the gradient"),
    ("(keep != 0 ? keep * out[row] : 0) + sum", "sum", "overwrites the sum"),
    ("row < rows && n < columns", "row < rows && n < columns - 1", "last column left out"),
    ("half >= apart", "half > apart", "half of the sum"),
    ("c -= c0;", "", "border forgotten in width"),
    ("a >= 0 && a < A", "a >= 0", "what lies below for a border"),
    ("b && part == 0 && d + e", "b && d + e", "bias in each part"),
    ("offsets[term] = term < count ? ((m * d1 * C", "offsets[term] = term < count ? ((m * C", "dilation forgotten"),
    ("K[(d + e) * K_d + c * K_c + m * K_m", "K[(d + e) * K_d + c * K_c + m * K_k", "weights of another row"),
    ("start < count && start < (part + 1) * SHARE", "start < count", "terms twice"),
    ("other < PARTS; ++other)", "other < PARTS - 1; ++other)", "last part left out"),
    ("if (part > 0) shares[part - 1][e][thread] = sums[0][e];\n        __syncthreads();",
     "if (part > 0) shares[part - 1][e][thread] = sums[0][e];", "nobody waits for the parts"),
    ("offsets[term] = term < count ? ((m * d1 * C + c) * W + k * d2) * N : 0;\n        }\n        __syncthreads();",
     "offsets[term] = term < count ? ((m * d1 * C + c) * W + k * d2) * N : 0;\n        }", "nobody waits for weights"),
    ("first + e < terms ? to_o[place + from[e]] : (REAL)1", "to_o[place + from[e]]", "no gradient of the bias"),
    ("sums[(half + i) / TERMS]", "sums[i / TERMS]", "half of the kernels"),
    ("sum += mine[lane][i];", "sum += mine[i][lane];", "sums turned"),
    ("place += 32) {", "place += 64) {", "every other place"),
    ("from[e][f]] : from[e][f] == -1", "from[e][f]] : 0", "no gradient of the bias of many kernels"),
    ("left[lane][warp + 4 * e] = four", "left[lane][warp + 4 * (1 - e)] = four", "kernels exchanged"),
    ("parts[(term < terms ? kernel * terms + term : D * terms + kernel) * S + s] = sums[f][e]",
     "parts[(term < terms ? kernel * terms + term : D * terms + kernel) * S + s] = sums[e][f]", "tile turned"),
    ("            __syncthreads();\n#pragma unroll 8\n            for (int i = 0; i < STEP",
     "#pragma unroll 8\n            for (int i = 0; i < STEP", "nobody waits for the places"),
    ("? W[(first + k) * H + i]", "? W[i * H + first + k]", "W_h turned"),
    ("tanh(sum + unit.total(shares, parts))", "tanh(unit.total(shares, parts))", "input left out"),
    ("shares[threadIdx.x] = unit.share(state);\n        __syncthreads();", "shares[threadIdx.x] = unit.share(state);",
     "nobody waits for the shares"),
    ("vector[unit.i] = delta[row] = (1 - now * now) * gradient;\n        }\n        __syncthreads();",
     "vector[unit.i] = delta[row] = (1 - now * now) * gradient;\n        }", "nobody waits for delta"),
    ("if (dh_rows) gradient += dh_rows[row];", "", "gradient of each output left out"),
    ("part < parts; ++part) sum", "part < 1; ++part) sum", "first part for all"),
    ("REAL v = velocity[i] * momentum + direction", "REAL v = velocity[i] + direction", "momentum forgotten"),
    ("direction + momentum * v : v", "v : direction + momentum * v", "Nesterov the other way round"),
    ("if (decay != 0) direction += decay * p", "if (decay != 0) direction += decay", "decay of 1"),
    ("direction * number(rate_there, rate_here);\n    grads[i] = 0;", "direction * number(rate_there, rate_here);",
     "gradients not cleared"),
    ("return there ? *there : here", "return here", "the number of the rehearsal"),
    ("rest1 * g, square", "g, square", "missing factor"),
    ("g * g * rest2", "g * rest2", "square forgotten"),
    ("(sqrt(square) + number(eps_there, eps_here))", "sqrt(square)", "eps forgotten"),
    ("params[i] * number(shrink_there, shrink_here), g", "params[i], g", "decoupled decay forgotten"),
    ("row[k * z_k] - largest)", "row[k * z_k])", "overflow"),
    ("- (k == t)) * scale", "- (k == t))", "sum for a mean"),
    ("dz[k * N + n] = (dz", "dz[k * N + n] = -(dz", "wrong sign"),
    ("log(total) - (inside", "log(total) + (inside", "wrong sign of the label's logit"),
    ("if (kept && !inside) *fault = true;", "", "label not checked"),
    ("labels[i] != ignore ?", "true ?", "ignored labels counted"),
    ("(weights ? weights[n] : 1) / sum", "1 / sum", "weight of a label forgotten"),
]  # fmt: skip


@pytest.mark.parametrize(("right", "wrong", "error"), ERRORS, ids=[error for _, _, error in ERRORS])
def test_a_planted_error_is_found(planted, right, wrong, error):
    planted(right, wrong)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        examine_all("float64")


OUT_OF_BOUNDS = [
    ("i >= (size)", "i > (size)", "one thread too many"),
    ("if (h >= 0 && h < H) column", "if (h >= 0 && h <= H) column", "a row beside the image"),
    ("t >= 0 && t < K", "t >= 0", "a logit that is not there"),
]


def sanitized(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """This file as a program whose kernels look at each address, shift and conversion before they use it."""
    found = subprocess.run([_kernels.COMPILER, "-print-file-name=libasan.so"], capture_output=True, text=True)
    options = {
        "LD_PRELOAD": found.stdout.strip(),
        "ASAN_OPTIONS": "detect_leaks=0",  # those would be Python's
        "STAND_IN_CXXFLAGS": "-fsanitize=address,undefined -fno-sanitize-recover=all",
    }
    command = [sys.executable, __file__, *arguments]
    return subprocess.run(command, env=os.environ | options, capture_output=True, text=True, timeout=300)


def test_no_kernel_steps_out_of_bounds():
    done = sanitized()
    assert (done.returncode, done.stdout) == (0, "examined\n"), done.stderr


@pytest.mark.parametrize(("right", "wrong", "error"), OUT_OF_BOUNDS, ids=[error for _, _, error in OUT_OF_BOUNDS])
def test_a_planted_step_out_of_bounds_is_found(right, wrong, error):
    done = sanitized(right, wrong)
    assert done.returncode != 0
    assert "AddressSanitizer: heap-buffer-overflow" in done.stderr, done.stderr


if __name__ == "__main__":
    if sys.argv[1:]:
        source = plant(*sys.argv[1:])
        kernels.source = lambda: source
    for dtype in DTYPES[: 1 if sys.argv[1:] else 2]:
        examine_all(dtype)
    print("examined")
