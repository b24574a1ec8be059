"""The BLAS that NumPy has loaded: its functions, its threads, and the sizes of products that suit it.

Where there is none that can be asked (Apple's Accelerate, say), everything is as for one thread and no function is
found.
"""

import contextlib
import ctypes
import functools
import itertools
import math
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..select import Array

_AVX512 = ("SkylakeX", "Cooperlake", "SapphireRapids")  # OpenBLAS's names of its kernels
_DIRECT = 1_000_000  # multiplications: up to here these, by one thread, read both factors where they lie
_FEW = 4000  # elements of the first factor: with more they are slower than those that copy, but for narrow second ones
_CACHED = 9500  # elements that a first factor may have before a narrow second one
_LINE = 64  # bytes of a cache line, and of an AVX-512 register
_NARROW = 128  # columns; a quarter are enough to be worth it
_FEWEST = 8, 64  # rows and columns of a piece


def blas_function(name: str, dtype: str, types: list[Any]) -> Callable[..., None] | None:
    """A function of cblas.h with 64-bit integers; None where there is none.

    Args:
        name: without its prefix and the letter of its type: gemm, axpby.
        dtype: NumPy's character.
        types: of its arguments, with "real" for a number of the dtype.
    """
    if dtype not in "fd":
        return None
    letter, real = {"f": ("s", ctypes.c_float), "d": ("d", ctypes.c_double)}[dtype]
    for library in blas_libraries():
        for prefix in ("scipy_cblas_", "cblas_"):
            function = getattr(library.dynlib, f"{prefix}{letter}{name}64_", None)
            if function is not None:
                function.restype, function.argtypes = None, [real if kind == "real" else kind for kind in types]
                return function
    return None


@functools.cache
def blas_libraries() -> list[Any]:
    """threadpoolctl's handles of the BLAS libraries in the process."""
    import threadpoolctl  # here, since importing it takes a while

    return list(threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers)


def blas_threads() -> int:
    """How many threads BLAS has been given: all cores, or OPENBLAS_NUM_THREADS, OMP_NUM_THREADS.

    It counts what :func:`single_threaded_blas`, in whichever thread, has taken away for a while.
    """
    return max(_taken or _current_threads(), default=1)


@contextlib.contextmanager
def single_threaded_blas() -> Iterator[None]:
    """One thread for each call of BLAS meanwhile: for products too small to be divided, or divided already.

    BLAS has one number of threads for the whole process: it gets its own back when the last caller leaves.
    """
    global _taken, _users
    with _counting:
        if not _users and max(before := _current_threads(), default=1) > 1:
            _taken = before
            _set_threads([1] * len(before))
        _users += 1
    try:
        yield
    finally:
        with _counting:
            _users -= 1
            if not _users and _taken:
                _set_threads(_taken)
                _taken = []


_counting = threading.Lock()
_users = 0  # how many callers are within single_threaded_blas
_taken: list[int] = []  # each library's threads before, if one had more than 1


def _current_threads() -> list[int]:
    return [library.num_threads for library in blas_libraries()]


def _set_threads(numbers: list[int]) -> None:
    for set_threads, number in zip(_setters(), numbers, strict=True):
        set_threads(number)


@functools.cache
def _setters() -> list[Callable[[int], None]]:
    """For each library what sets its number of threads.

    From version 3.8 on threadpoolctl does so for OpenBLAS in one Python thread alone, and nothing in others.
    """
    setters = []
    for library in blas_libraries():
        openmp = getattr(library, "threading_layer", "") == "openmp"  # which has a number for each Python thread
        affixes = () if openmp else itertools.product(("", "scipy_"), ("", "64_", "_64"))
        names = (f"{prefix}openblas_set_num_threads{suffix}" for prefix, suffix in affixes)
        found = (getattr(library.dynlib, name, None) for name in names)
        setters.append(next(filter(None, found), library.set_num_threads))
    return setters


def after_fork() -> None:
    """A forked process has none of its parent's threads, and whoever held the lock is not there to let go of it."""
    global _counting
    _counting = threading.Lock()


def too_small_to_divide(multiplications: int) -> bool:
    """Whether BLAS divides a product among its threads though one finishes it no later: with AVX2 up to 2^19."""
    return not _avx512() and multiplications < 1 << 19


def better_in_halves(multiplications: int) -> bool:
    """Whether half of a product's rows are few enough to be multiplied as they lie, but not all of them."""
    return _avx512() and _DIRECT < multiplications <= 2 * _DIRECT


@functools.cache
def _avx512() -> bool:
    return any(getattr(library, "architecture", None) in _AVX512 for library in blas_libraries())


def kernels_at_once(elements: int) -> int:
    """Up to how many kernels one product of a convolution is to have, those for several output rows together.

    A CPU's BLAS first puts the columns into its own order, which fewer do not pay back. With AVX-512 OpenBLAS leaves
    that out for small products (:func:`pieces`), and is slow only at fewer than 4 rows.

    Args:
        elements: of the kernels for one row.
    """
    return 4 if _avx512() and elements <= _FEW else 24


@functools.lru_cache(1024)  # a step asks for the same sizes again
def narrow_parts(kernels: int, elements: int, cols: int, samples: int) -> int:
    """Into how many parts to divide a convolution's columns, each side by side in memory; 1 where that does not pay.

    What is narrow can be read as it lies by a product with few kernels at a time, without a line of the cache being
    needed for two of its rows.

    Args:
        kernels: how many there are.
        elements: of each of them.
        cols, samples: of the output, all of whose pairs are columns.
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
    """Into how many parts to divide a product's rows and its columns, so that each is small; 1 if that does not pay."""
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
    """For sum_i a_i b_i^T the rows of a, and the elements of a row, that one product had better have; None for all.

    It is worth turning b where its columns fill a register or two and many rows of a meet them.
    """
    if columns not in (16, 32) or rows < 128 or not _avx512():
        return None
    length = max(length for length in _divisors(inner) if length * columns <= _CACHED)
    height = max(height for height in _divisors(rows) if height * length * columns <= _DIRECT)
    return (height, length) if height >= _FEWEST[0] and length >= min(inner, _NARROW) else None


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """An uninitialised array for a product's second factor; it starts with a cache line where this is read as it lies.

    From where malloc happens to give it, reading takes up to a quarter of the product's time more with AVX-512.
    """
    if not _avx512():
        return np.empty(shape, dtype=dtype)
    memory = np.empty(math.prod(shape) * dtype.itemsize + _LINE, np.uint8)
    return np.ndarray(shape, dtype, memory, -address(memory) % _LINE)


def address(x: Array) -> int:
    """Of its first number."""
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(x.data))  # in half the time that x.ctypes takes
    except (TypeError, ValueError):  # it is read-only, or not in one piece
        return x.ctypes.data


def aligned(x: Array) -> Array:
    """x, contiguous, and where it matters a copy in memory as :func:`aligned_empty` has it."""
    if not _avx512():
        return np.ascontiguousarray(x)
    copy = aligned_empty(x.shape, x.dtype)
    copy[...] = x
    return copy
