"""Matrix products on a device by cuBLAS, without a copy if the strides allow."""

from collections.abc import Callable
from typing import Any

from ..select import Array, Params, xp
from ..shared.matrices import product_shape
from . import cublas
from .kernels import REAL, launch, lengths, row_sums, strided

_SMALL = 1 << 12  # elements of a result up to which cuBLAS uses only few of a device's processors


def matmul(a: Array, b: Array, out: Array | None = None) -> Array:
    """``a @ b`` as in numpy.matmul, into ``out`` if given.

    A factor is read without a copy if one axis of each matrix is contiguous and its rows do not overlap; the matrices
    of a batch may have any distance and may overlap.

    Shapes: a (..., M, K), b (..., K, N), out (..., M, N); the axes in front are broadcast. Vectors as in numpy.matmul.

    Args:
        a, b: the factors.
        out: must not overlap the factors.

    Raises:
        ValueError: the shapes do not match.
    """
    if not _suits(a, b) or (library := cublas.library()) is None:
        return xp.matmul(a, b, out=out)
    shape = product_shape(a, b)
    if out is not None and (out.shape != shape or out.dtype != a.dtype):
        raise ValueError(f"matmul: expected out of shape {shape} and {a.dtype}, got {out.shape} and {out.dtype}")
    if out is not None and not _is_target(out):
        if _is_target(out.mT):
            matmul(b.mT, a.mT, out.mT)  # (A B)^T = B^T A^T
        else:
            out[...] = matmul(a, b)
        return out
    c = xp.empty(shape, dtype=a.dtype) if out is None else out
    if not _in_pieces(a, b, c, 0.0):
        library.products(a, b, c)
    return c


def accumulate(out: Array, a: Array, b: Array) -> None:
    """out += a @ b; if cuBLAS can write to ``out``, cuBLAS itself adds, which saves a launch and an array."""
    if out.dtype == a.dtype and _suits(a, b) and out.shape == product_shape(a, b):
        library = cublas.library()
        if library is not None and _in_pieces(a, b, out, 1.0):
            return
        for target, first, second in ((out, a, b), (out.mT, b.mT, a.mT)):  # (A B)^T = B^T A^T
            if library is not None and _is_target(target):
                library.products(first, second, target, add=True)
                return
    out += matmul(a, b)


def add_product(grads: Params, key: str, a: Array, b: Array) -> None:
    """grads[key] += a @ b for matrices."""
    accumulate(grads[key], a, b)


def add_rows(out: Array, x: Array) -> None:
    """out += the sum of x's rows, in one launch; CuPy would use two, one of them slow."""
    row_sums(out, x.T)


def _in_pieces(a: Array, b: Array, out: Array, keep: float) -> bool:
    """out = keep out + a @ b, by a batch of products for chunks of the sums, which are then added.

    This serves small results with long sums, for which one cuBLAS product can take ten times as long; returns False for
    other sizes.
    """
    (M, K), N = a.shape[-2:], b.shape[-1]
    small = a.ndim == b.ndim == 2 and M * N <= _SMALL and K >= 128 and out.flags.c_contiguous
    piece = next((piece for piece in range(32, 15, -1) if K % piece == 0), 0) if small else 0
    if not piece or a.dtype.name not in REAL:
        return False
    as_strided = xp.lib.stride_tricks.as_strided
    first = as_strided(a, (K // piece, M, piece), (piece * a.strides[1], *a.strides))
    second = as_strided(b, (K // piece, piece, N), (piece * b.strides[0], *b.strides))
    row_sums(out.reshape(-1), matmul(first, second).reshape(-1, M * N).T, keep)
    return True


def _suits(a: Array, b: Array) -> bool:
    """Whether cuBLAS can compute a @ b; CuPy does the rest (vectors, integers, empty arrays, wrong shapes)."""
    both = a.ndim > 1 and b.ndim > 1 and a.dtype == b.dtype and a.dtype.name in cublas.TYPES
    return both and a.size > 0 and b.size > 0 and a.shape[-1] == b.shape[-2]


def _is_target(c: Array) -> bool:
    """Whether cuBLAS can write to each matrix: its rows are contiguous and do not overlap."""
    (rows, cols), (down, along) = c.shape[-2:], (stride // c.itemsize for stride in c.strides[-2:])
    return (cols == 1 or along == 1) and (rows == 1 or down >= cols)


# the functions of cpu/products.py for which a device needs nothing special


aligned, aligned_empty = xp.ascontiguousarray, xp.empty


def small_products(rows: int, W: Array) -> Callable[[Array, Array, Array], Array]:
    """A function ``matmul(x, W, out)`` for a loop over products ``x @ W``."""
    return matmul


def sum_of_products(a: Array, b: Array) -> Array:
    """sum_{p,i} a_pi b_pi^T, (G, K, D), from a (G, P, n, K, L) and b (G, P, n, D, L)."""
    (G, P, n, K, _), D = a.shape, b.shape[3]
    return matmul(a, b.swapaxes(3, 4)).reshape(G, P * n, K, D).sum(1)


def kernels_at_once(*sizes: int) -> int:
    """One kernel; under its second name, one chunk of columns. On a device, more do not pay."""
    return 1


narrow_parts = kernels_at_once


def view(x: Array, start: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> Array:
    """A view of a contiguous array's memory from byte ``start`` on, with another shape and other strides."""
    return xp.lib.stride_tricks.as_strided(x.reshape(-1)[start // x.itemsize :], shape, strides)


def gather_columns(lines: Array, image: Array, kernel: int, stride: int, dilation: int) -> None:
    """Sum columns into the image along its width: each pixel sums over all columns that it was copied to.

    Args:
        lines: (rows, G, C/G, k2, columns, samples).
        image: (rows, G, C/G, width, samples).
        kernel, stride, dilation: along the width: k2, s2, d2.
    """
    _, _, channels, _, columns, _ = lines.shape
    if image.dtype.name not in REAL:
        for n in range(kernel):
            j = n * dilation
            image[:, :, :, j : j + columns * stride : stride] += lines[:, :, :, n]
        return
    lines = xp.ascontiguousarray(lines.swapaxes(0, 1))
    images: Any = image.reshape(image.shape[0], -1, *image.shape[3:]).transpose(3, 1, 0, 2)
    numbers = (*lengths(images), channels, columns, kernel, stride, dilation)
    launch("col2im", images.size, images.dtype, lines, *strided(images), *numbers)
