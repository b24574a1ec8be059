"""BLAS functions that NumPy does not expose: adding a product or a vector to an array in place.

If the functions are not found, plain NumPy does the same.
"""

import ctypes
import functools
from collections.abc import Callable

import numpy as np

from ..select import Array
from ..shared.matrices import matrices
from .numpy_blas import address, blas_function, in_turn

_WORTH = 1 << 14  # elements of the result: with fewer, the call takes longer than a temporary array
_I, _P = ctypes.c_int64, ctypes.c_void_p
_ROW_MAJOR, _TURNS = 101, {False: 111, True: 112}  # cblas.h: whether a matrix is transposed


def gemm(out: Array, a: Array, b: Array) -> None:
    """out += a @ b for matrices, without a temporary array for the product.

    Args:
        out: (m, n), C-contiguous.
        a: (m, k).
        b: (k, n).
    """
    function = _gemm(out.dtype.char) if out.size >= _WORTH and out.dtype == a.dtype == b.dtype else None
    if function is None or not out.flags.c_contiguous:
        out += in_turn(np.matmul, a, b)
        return
    (m, k), n = a.shape, b.shape[1]
    (A, turn_a, lda), (B, turn_b, ldb) = matrices(a), matrices(b)
    turns = (_TURNS[turn_a], _TURNS[turn_b])
    first, second = address(A.T if turn_a else A), address(B.T if turn_b else B)
    in_turn(function, _ROW_MAJOR, *turns, m, n, k, 1.0, first, lda, second, ldb, 1.0, address(out), n)


def axpby(a: float, x: Array, b: float, y: Array) -> None:
    """y = a x + b y for vectors; each element is read and written once.

    Args:
        a, b: numbers, or 0-d arrays.
        x, y: contiguous and of equal length.
    """
    function = _axpby(y.dtype.char) if x.dtype == y.dtype else None
    if function is None:
        y *= b
        y += a * x
        return
    function(y.size, a, address(x), 1, b, address(y), 1)


@functools.cache
def _gemm(dtype: str) -> Callable[..., None] | None:
    """cblas_sgemm or cblas_dgemm."""
    return blas_function("gemm", dtype, [*[ctypes.c_int] * 3, *[_I] * 3, "real", _P, _I, _P, _I, "real", _P, _I])


@functools.cache
def _axpby(dtype: str) -> Callable[..., None] | None:
    """cblas_saxpby or cblas_daxpby, OpenBLAS's extension of the standard."""
    return blas_function("axpby", dtype, [_I, "real", _P, _I, "real", _P, _I])
