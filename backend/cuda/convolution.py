"""A device's convolution without im2col's copies.

The batch is last in memory, so the pixels that im2col would copy for one kernel element are contiguous in the image,
and CUDA kernels read the columns from the image itself. With many channels, cuBLAS is faster for the output and the
input's gradient. It is called for each column k of W, whose pixels are a view that starts k columns later::

    x_i  =  b + sum_k W_k o_ik,    o_ik[(m,c), j] = o[i + m, c, j + k]

This holds for stride 1, one group and more than one position of the kernel; other convolutions use im2col in tiles.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from ..select import Array, Params, xp
from ..shared import convolution
from ..shared.im2col import batch_first
from ..shared.window import Pair, Window
from .kernels import launch, real, row_sums, stretch
from .products import accumulate

_xp: Any = xp

_WIDE = 1 << 30  # multiplications; from here on it is faster if a block's threads share the pixels that they read


@real
def conv2d(
    o: Array, params: Params, window: Window, groups: int, needs_dx: bool = True
) -> tuple[Array, Callable[[Array, Params], Array | None]]:
    """Without im2col if its columns are shifted views of the image."""
    W, b, (p1, p2), dilation = params["W"], params["b"], window.padding, window.dilation
    (N, C, H, width), (D, _, k1, k2), (d1, d2) = o.shape, W.shape, dilation
    rows, cols = window.positions(o.shape[2:])
    if window.stride != (1, 1) or groups > 1 or rows * cols == 1:
        return convolution.conv2d(o, params, window, groups, needs_dx)
    padded = _padded(_rows_first(o), (H + 2 * p1, C, width + 2 * p2, N), p1, p2)

    def backward(dy: Array, grads: Params) -> Array | None:
        delta = _padded(_rows_first(dy), (rows, D, cols, N))
        _add_kernel_gradient(padded, delta, grads["W"], grads["b"], dilation)
        if not needs_dx:
            return None
        m1, m2 = (k1 - 1) * d1, (k2 - 1) * d2  # delta's border for the full correlation with the rotated kernel
        around = _padded(delta, (H + m1, D, width + m2, N), m1 - p1, m2 - p2)
        return batch_first(_products(around, W[:, :, ::-1, ::-1].swapaxes(0, 1), None, (H, C, width, N), dilation))

    return batch_first(_products(padded, W, b, (rows, D, cols, N), dilation)), backward


def _rows_first(x: Array) -> Array:
    """Images (N, C, H, W) as (H, C, W, N)."""
    return x.transpose(2, 1, 3, 0)


def _padded(x: Array, shape: tuple[int, ...], above: int = 0, left: int = 0) -> Array:
    """x (A, B, C, D) in a contiguous array of zeros with other A and C; x itself if that changes nothing."""
    if x.shape == shape and x.flags.c_contiguous:
        return x
    y, step = xp.empty(shape, dtype=x.dtype), stretch(shape[3])
    strides = (along // x.itemsize for along in x.strides)
    threads = y.size // shape[3] * step
    launch("pad", threads, x.dtype, x, *strides, *x.shape, above, left, y, shape[0], shape[2], step)
    return y


def _products(o: Array, K: Array, b: Array | None, shape: tuple[int, ...], dilation: Pair) -> Array:
    """x (H', D, W', N) from o (H, C, W, N), kernels K (D, C, k1, k2) in any memory order, and b (D,)."""
    (rows, D, cols, N), (_, C, k1, k2) = shape, K.shape
    if D >= 32 and C * k1 >= 64 and dilation[0] == 1:
        columns = xp.ascontiguousarray(K.transpose(3, 0, 2, 1)).reshape(k2, D, k1 * C)
        x = xp.zeros(shape, dtype=o.dtype) if b is None else _padded(xp.broadcast_to(b[:, None, None], shape), shape)
        for k in range(k2):
            accumulate(x.reshape(rows, D, -1), columns[k], _under(o, k * dilation[1], k1, rows, cols))
        return x
    x = xp.empty(shape, dtype=o.dtype)
    groups = -(-D // 8)
    places, block = (4, 128) if rows * cols * N * groups >= 64 * _warps() else (1, 512)  # 1: four threads per output
    threads = -(-rows * cols * N // (places * 128)) * groups * block
    order = (stride // K.itemsize for stride in K.strides)
    numbers = (C, o.shape[2], N, k1, k2, *dilation, D, rows, cols)
    launch(f"correlate_{places}", threads, o.dtype, o, K, *order, b, x, *numbers, block=block)
    return x


def _under(o: Array, k: int, k1: int, rows: int, cols: int) -> Array:
    """o_ik (rows, (m,c), (columns, samples)): a view whose rows overlap."""
    _, C, width, N = o.shape
    line = width * N * o.itemsize
    shape, strides = (rows, k1 * C, cols * N), (C * line, line, o.itemsize)
    return xp.lib.stride_tricks.as_strided(o.reshape(-1)[k * N :], shape, strides)


def _add_kernel_gradient(o: Array, delta: Array, dW: Array, db: Array, dilation: Pair) -> None:
    """Add dE/dW and dE/db from o (H, C, W, N) and delta (H', D, W', N): first partial sums, then their sums."""
    (rows, _, cols, N), (D, C, k1, k2) = delta.shape, dW.shape
    terms = C * k1 * k2
    wide = D >= 32 and D * terms * rows * cols * N >= _WIDE
    if wide:
        name, tiles, threads, warps = "wide_kernel_gradient", -(-D // 32) * (terms // 64 + 1), 128, 4 * _warps()
    else:
        name, tiles, threads, warps = "kernel_gradient", -(-D // 8) * (terms // 8 + 1), 32, _warps()
    wanted = max(1, warps * 32 // (tiles * threads))  # partial sums
    pieces = max(1, min(wanted // rows, cols * N // 64))  # chunks of a row
    units = rows * pieces
    S = -(-units // -(-units // min(wanted, units)))
    parts = xp.empty((D * (terms + 1), S), dtype=o.dtype)
    numbers: tuple[Any, ...] = (o, delta, parts, C, o.shape[2], N, k1, k2, *dilation, D, rows, cols, pieces, S)
    launch(name, threads * tiles * S, o.dtype, *numbers, block=128)
    row_sums(dW.reshape(-1), parts[: D * terms])
    row_sums(db, parts[D * terms :])


@cache
def _warps() -> int:
    """The number of warps that keeps the device busy."""
    return 16 * _xp.cuda.runtime.getDeviceProperties(_xp.cuda.Device().id)["multiProcessorCount"]
