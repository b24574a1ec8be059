"""Matrix products in sizes for which NumPy's BLAS is fast."""

from collections.abc import Callable

import numpy as np

from ..select import Array, Params
from ..shared.matrices import product_shape
from .blas import gemm
from .blas_sizes import aligned as aligned
from .blas_sizes import aligned_empty as aligned_empty
from .blas_sizes import better_in_halves, pieces, sum_pieces
from .blas_sizes import kernels_at_once as kernels_at_once
from .blas_sizes import narrow_parts as narrow_parts
from .numpy_blas import in_turn as in_turn
from .shares import Share

_BUFFER = 256
"""Elements of the buffers in which NumPy gathers short runs and processes several at once; its default is 8192."""

accumulate = gemm


def matmul(a: Array, b: Array, out: Array | None = None) -> Array:
    """One call of ``numpy.matmul``, with the matrices' rows or columns in chunks if BLAS is then faster."""
    if b.ndim < 3:
        return in_turn(np.matmul, a, b, out)
    in_order = a.ndim > 1 and b.strides[-1] == b.itemsize
    rows, columns = pieces(a.shape[-2], a.shape[-1], b.shape[-1]) if in_order else (1, 1)
    if rows == columns == 1:
        return in_turn(np.matmul, a, b, out)
    out = np.empty(product_shape(a, b), dtype=np.result_type(a, b)) if out is None else out
    # views with the axes (..., rows, columns) in front of the matrices' own
    first = a.reshape(*a.shape[:-2], rows, 1, -1, a.shape[-1])
    second = b.reshape(*b.shape[:-1], columns, -1).swapaxes(-2, -3)[..., None, :, :, :]
    target = out.reshape(*out.shape[:-2], rows, a.shape[-2] // rows, columns, -1).swapaxes(-2, -3)
    in_turn(np.matmul, first, second, target)
    return out


def add_product(grads: Params, key: str, a: Array, b: Array) -> None:
    """grads[key] += a @ b for matrices, which must not change afterwards.

    In a slice of a batch the product is postponed, to be computed together with those of the other slices.
    """
    if isinstance(grads, Share):
        grads.postpone(key, a, b)
    else:
        gemm(grads[key], a, b)


def add_rows(out: Array, x: Array) -> None:
    """out += the sum of x's rows."""
    out += x.sum(0)


def small_products(rows: int, W: Array) -> Callable[[Array, Array, Array], Array]:
    """A function ``matmul(x, W, out)`` for a loop over products ``x @ W`` in which x has at most ``rows`` rows."""
    return _by_halves if better_in_halves(rows * W.size) else matmul


def _by_halves(a: Array, b: Array, out: Array) -> Array:
    if len(a) % 2:
        half = len(a) // 2
        matmul(a[:half], b, out[:half])
        matmul(a[half:], b, out[half:])
        return out
    in_turn(np.matmul, a.reshape(2, -1, a.shape[1]), b, out.reshape(2, -1, out.shape[1]))
    return out


def sum_of_products(a: Array, b: Array) -> Array:
    """sum_{p,i} a_pi b_pi^T, (G, K, D), from a (G, P, n, K, L) and b (G, P, n, D, L)."""
    (G, P, n, K, L), D = a.shape, b.shape[3]
    sizes = sum_pieces(K, L, D)
    if sizes is None:
        return matmul(a, b.swapaxes(3, 4)).reshape(G, P * n, K, D).sum(1)
    height, length = sizes
    rows = a.reshape(G, P, n, -1, height, L // length, length).transpose(0, 1, 2, 5, 3, 4, 6)  # a view
    turned = aligned_empty((G, P, n, L // length, 1, length, D), a.dtype)
    turned[..., 0, :, :] = b.reshape(G, P, n, D, -1, length).transpose(0, 1, 2, 4, 5, 3)
    return in_turn(np.matmul, rows, turned).reshape(G, -1, K, D).sum(1)


def view(x: Array, start: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> Array:
    """A view of a contiguous array's memory from byte ``start`` on, with another shape and other strides."""
    return np.ndarray(shape, x.dtype, x.data, start, strides)  # does what as_strided does, in a sixth of the time


def gather_columns(lines: Array, image: Array, kernel: int, stride: int, dilation: int) -> None:
    """Sum columns into the image along its width: image[..., j s + n d, :] += lines[..., n, j, :].

    Args:
        lines: (rows, G, C/G, k2, columns, samples).
        image: (rows, G, C/G, width, samples).
        kernel, stride, dilation: along the width: k2, s2, d2.
    """
    columns = lines.shape[4]
    with np.errstate():  # restores the buffer size on exit
        np.setbufsize(_BUFFER)
        for n in range(kernel):
            j = n * dilation
            image[:, :, :, j : j + columns * stride : stride] += lines[:, :, :, n]
