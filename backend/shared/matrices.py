"""The description of a matrix for BLAS, which reads it without a copy where its strides allow."""

from typing import NamedTuple

import numpy as np

from ..select import Array, xp


class Matrices(NamedTuple):
    """One factor of a product, with the arguments for a row-major BLAS: transposed or not, leading dimension."""

    array: Array
    transposed: bool
    leading: int


def matrices(x: Array) -> Matrices:
    """x (..., rows, cols) for BLAS; copied only if neither axis is contiguous or if rows overlap."""
    (rows, cols), (down, along), size = x.shape[-2:], x.strides[-2:], x.itemsize
    if down % size or along % size:  # a field of a packed NumPy record
        return Matrices(xp.ascontiguousarray(x), False, cols)
    down, along = down // size, along // size
    if (cols == 1 or along == 1) and (rows == 1 or down >= cols):
        return Matrices(x, False, cols if rows == 1 else down)
    if (rows == 1 or down == 1) and (cols == 1 or along >= rows):
        return Matrices(x, True, rows if cols == 1 else along)
    return Matrices(xp.ascontiguousarray(x), False, cols)


def product_shape(a: Array, b: Array) -> tuple[int, ...]:
    """The shape of a @ b, for a (..., M, K) and b (..., K, N)."""
    return *np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1]
