"""Sizes of products and memory alignment for which OpenBLAS is fast; other BLAS libraries get products undivided."""

import functools
import math

import numpy as np

from ..select import Array
from .numpy_blas import address, blas_libraries

_AVX512 = ("SkylakeX", "Cooperlake", "SapphireRapids")  # OpenBLAS's names of its kernels
_DIRECT = 1_000_000  # multiplications: up to here OpenBLAS, on one thread, reads both factors without a copy
_FEW = 4000  # elements of the first factor: with more, reading is slower than copying unless the second is narrow
_CACHED = 9500  # the same bound if the second factor is narrow
_LINE = 64  # bytes of a cache line, and of an AVX-512 register
_NARROW = 128  # columns; with less than a quarter of this, dividing does not pay
_FEWEST = 8, 64  # rows and columns of a chunk


def better_in_halves(multiplications: int) -> bool:
    """Whether OpenBLAS computes the product without copies for half of the rows, but not for all of them."""
    return _avx512() and _DIRECT < multiplications <= 2 * _DIRECT


@functools.cache
def _avx512() -> bool:
    return any(getattr(library, "architecture", None) in _AVX512 for library in blas_libraries())


def kernels_at_once(elements: int) -> int:
    """Upper bound of the number of kernels in one product of a convolution, counted over all its output rows.

    BLAS first copies the columns into its own order, which pays only if there are enough kernels. With AVX-512,
    OpenBLAS does not copy for small products (:func:`pieces`), and is slow only with fewer than 4 rows.

    Args:
        elements: the number of elements of the kernels for one row.
    """
    return 4 if _avx512() and elements <= _FEW else 24


@functools.lru_cache(1024)  # every step repeats the same sizes
def narrow_parts(kernels: int, elements: int, cols: int, samples: int) -> int:
    """The number of chunks of a convolution's columns, each contiguous in memory; 1 if more do not pay.

    A narrow chunk can be read without a copy by a product with few kernels, and none of its rows share a cache line.

    Args:
        kernels: the number of kernels.
        elements: the number of elements of each kernel.
        cols, samples: the numbers of the output's columns and samples; each pair of them is a column of the product.
    """
    if not _avx512() or _FEWEST[0] * elements > _CACHED:
        return 1
    most = max(_NARROW, _DIRECT // (kernels * elements))
    width = max((width for width in _divisors(cols) if width * samples <= most), default=1)
    return cols // width if width * samples >= _NARROW // 4 else 1


def _divisors(number: int) -> list[int]:
    return [divisor for divisor in range(1, number + 1) if number % divisor == 0]


@functools.lru_cache(1024)
def pieces(rows: int, inner: int, columns: int) -> tuple[int, int]:
    """The numbers of chunks of a product's rows and of its columns, so that each is small; 1 if more do not pay."""
    if not (_avx512() and rows and inner and columns):
        return 1, 1
    if columns <= _NARROW:
        most = min(_CACHED, _DIRECT // columns) // inner  # rows
        return next((count for count in _divisors(rows) if _FEWEST[0] <= rows // count <= most), 1), 1
    least = -(-rows * inner * columns // _DIRECT)
    if least < 2 or rows * inner > _FEW:
        return 1, 1
    return 1, next((count for count in range(least, columns // _FEWEST[1] + 1) if columns % count == 0), 1)


@functools.lru_cache(1024)
def sum_pieces(rows: int, inner: int, columns: int) -> tuple[int, int] | None:
    """For sum_i a_i b_i^T, the best rows and row length of a for one product; None to take a and b as a whole.

    Transposing b pays if its columns fill one or two registers and meet many rows of a.
    """
    if columns not in (16, 32) or rows < 128 or not _avx512():
        return None
    length = max(length for length in _divisors(inner) if length * columns <= _CACHED)
    height = max(height for height in _divisors(rows) if height * length * columns <= _DIRECT)
    return (height, length) if height >= _FEWEST[0] and length >= min(inner, _NARROW) else None


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """An uninitialised array for a product's second factor; with AVX-512 it starts at a cache line.

    OpenBLAS then reads it without a copy, and an unaligned array costs up to a quarter of the product's time more.
    """
    if not _avx512():
        return np.empty(shape, dtype=dtype)
    memory = np.empty(math.prod(shape) * dtype.itemsize + _LINE, np.uint8)
    return np.ndarray(shape, dtype, memory, -address(memory) % _LINE)


def aligned(x: Array) -> Array:
    """x, contiguous; with AVX-512 a copy in memory from :func:`aligned_empty`."""
    if not _avx512():
        return np.ascontiguousarray(x)
    copy = aligned_empty(x.shape, x.dtype)
    copy[...] = x
    return copy
