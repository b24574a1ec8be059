"""The BLAS that NumPy has loaded: its functions, its threads, and the sizes of products that are fast.

If threadpoolctl does not know it (Apple's Accelerate, for example), no function is found and one thread is assumed.
"""

import contextlib
import ctypes
import functools
import math
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

from ..select import Array

T = TypeVar("T")

_WHOLE, _VECTOR = 1 << 18, 9216  # multiplications: fewer are one thread's, of matrices and of a matrix and a vector
_AVX512 = ("SkylakeX", "Cooperlake", "SapphireRapids")  # OpenBLAS's names of its kernels
_DIRECT = 1_000_000  # multiplications: up to here OpenBLAS, on one thread, reads both factors without a copy
_FEW = 4000  # elements of the first factor: with more, that is slower than copying unless the second is narrow
_CACHED = 9500  # the same bound where the second factor is narrow
_LINE = 64  # bytes of a cache line, and of an AVX-512 register
_NARROW = 128  # columns; with less than a quarter of them, dividing does not pay
_FEWEST = 8, 64  # rows and columns of a chunk


def blas_function(name: str, dtype: str, types: list[Any]) -> Callable[..., None] | None:
    """A function of cblas.h with 64-bit integers; None if there is none.

    Args:
        name: without the prefix and the letter for the type, such as gemm or axpby.
        dtype: NumPy's character for the dtype.
        types: of its arguments, with "real" for a scalar of the dtype.
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
    """The number of BLAS threads: all cores, or what OPENBLAS_NUM_THREADS or OMP_NUM_THREADS says.

    Inside of :func:`single_threaded_blas`, whichever thread is in it, this is still the number outside.
    """
    with _turn:
        return max(_before or _current_threads(), default=1)


class _Me(threading.local):
    """A Python thread's own: whether its products run on one thread each, and the lock that it holds during each."""

    def __init__(self) -> None:
        self.alone, self.lock = False, threading.RLock()
        with _turn:
            _locks.add(self.lock)


_turn = threading.RLock()  # held by whoever changes what follows
_locks: "weakref.WeakSet[Any]" = weakref.WeakSet()  # of all Python threads that have multiplied
_wanted = False  # whether one who has the turn waits for the other threads' products to end
_users = 0  # the number of callers inside of single_threaded_blas
_before: list[int] = []  # each library's threads outside of it, while there are users and one has more than 1
me = _Me()


@contextlib.contextmanager
def single_threaded_blas() -> Iterator[None]:
    """One thread per BLAS call within this block: for products that are already divided.

    The number of threads is global to the process. It changes when the first caller enters and the last one leaves, and
    for each product of a Python thread that is not in such a block (:func:`in_turn`): always while nobody multiplies.
    """
    global _users
    if me.alone:
        yield
        return
    with _turn:
        if not _users:
            _change_threads(take=True)
        _users += 1
    me.alone = True
    try:
        yield
    finally:
        me.alone = False
        with _turn:
            _users -= 1
            if not _users:
                _change_threads(take=False)


def in_turn(multiply: Callable[..., T], *args: Any) -> T:
    """``multiply(*args)`` by as many BLAS threads as the caller has, whatever other Python threads do.

    BLAS rounds by the number of threads, so each product takes care that it is not another one's.
    """
    if _wanted:
        with _turn:  # let it pass who waits for everybody
            pass
    with me.lock:
        if me.alone or not _before:
            return multiply(*args)
    if multiply is np.matmul and not _divides(*args[:2]):
        return multiply(*args)
    with _nobody_multiplies():  # but this thread, while another one is in single_threaded_blas
        now = _current_threads()
        _set_threads(_before or now)
        try:
            return multiply(*args)
        finally:
            _set_threads(now)


def _divides(a: Array, b: Array) -> bool:
    """Whether OpenBLAS may divide a product among its threads."""
    rows, inner, columns = a.shape[-2] if a.ndim > 1 else 1, a.shape[-1], b.shape[-1]
    return rows * inner * columns >= (_WHOLE if rows > 1 < columns else _VECTOR)


@contextlib.contextmanager
def _nobody_multiplies() -> Iterator[None]:
    global _wanted
    with _turn, contextlib.ExitStack() as held:
        _wanted = True
        for lock in list(_locks):
            held.enter_context(lock)
        _wanted = False
        yield


def _change_threads(take: bool) -> None:
    """Leave one thread to BLAS, if it has more, or give it back what it had."""
    global _before
    with _nobody_multiplies():
        if take and max(now := _current_threads(), default=1) > 1:
            _before = now
            _set_threads([1] * len(now))
        elif _before:
            _set_threads(_before)
            _before = []


def _after_fork() -> None:
    """In a forked process the other Python threads do not exist, nor what they have taken."""
    global _users
    _users = int(me.alone)
    if not _users:
        _change_threads(take=False)
    _fork.close()


_fork = contextlib.ExitStack()
if hasattr(os, "register_at_fork"):  # not on Windows, where no process is forked
    os.register_at_fork(
        before=lambda: _fork.enter_context(_nobody_multiplies()),  # else BLAS's own locks may stay taken in the child
        after_in_parent=_fork.close,
        after_in_child=_after_fork,
    )


def _current_threads() -> list[int]:
    return [library.num_threads for library in blas_libraries()]


def _set_threads(numbers: list[int]) -> None:
    for library, number in zip(blas_libraries(), numbers, strict=True):
        # threadpoolctl 3.8's public setter does nothing in all Python threads but the first that calls it
        getattr(library, "_real_set_num_threads", library.set_num_threads)(number)


def better_in_halves(multiplications: int) -> bool:
    """Whether the direct product, without copies, serves half of the rows but not all of them."""
    return _avx512() and _DIRECT < multiplications <= 2 * _DIRECT


@functools.cache
def _avx512() -> bool:
    return any(getattr(library, "architecture", None) in _AVX512 for library in blas_libraries())


def kernels_at_once(elements: int) -> int:
    """Upper bound of the kernels in one product of a convolution, those for several output rows counted together.

    BLAS first copies the columns into its own order, which pays only if there are enough kernels. With AVX-512,
    OpenBLAS does not copy for small products (:func:`pieces`), and is slow only with fewer than 4 rows.

    Args:
        elements: of the kernels for one row.
    """
    return 4 if _avx512() and elements <= _FEW else 24


@functools.lru_cache(1024)  # every step repeats the same sizes
def narrow_parts(kernels: int, elements: int, cols: int, samples: int) -> int:
    """The number of chunks of a convolution's columns, each contiguous in memory; 1 if more do not pay.

    A narrow chunk can be read without a copy by a product with few kernels, and none of its rows share a cache line.

    Args:
        kernels: their number.
        elements: of each kernel.
        cols, samples: of the output; each pair is a column.
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


def address(x: Array) -> int:
    """The address of the first element; a buffer tells it in a third of the time of ``x.ctypes``."""
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(x))  # type: ignore[arg-type]  # an array is a buffer
    except (TypeError, ValueError, BufferError):  # read-only or not contiguous
        return x.ctypes.data


def aligned(x: Array) -> Array:
    """x, contiguous; with AVX-512 a copy in memory from :func:`aligned_empty`."""
    if not _avx512():
        return np.ascontiguousarray(x)
    copy = aligned_empty(x.shape, x.dtype)
    copy[...] = x
    return copy
