"""The BLAS that NumPy has loaded: its functions, its threads, and the sizes of products that suit it.

Where there is none that can be asked (Apple's Accelerate, say), and on a device, everything is as for one thread and no
function is found.
"""

import contextlib
import ctypes
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .select import Array, on_device, xp

_AVX512 = ("SkylakeX", "Cooperlake", "SapphireRapids")  # OpenBLAS's names of its kernels
_DIRECT = 1_000_000  # multiplications: up to here these read both factors where they lie
_FEW = 4000  # numbers in the first factor: with more they are slower than those that copy
_LINE = 64  # bytes of a cache line, and of an AVX-512 register
_NARROW = 64  # columns: fewer would make many calls


def blas_function(name: str, dtype: str, types: list[Any]) -> Callable[..., None] | None:
    """A function of cblas.h with 64-bit integers; None where there is none.

    Args:
        name: without its prefix and the letter of its type: gemm, axpby.
        dtype: NumPy's character.
        types: of its arguments, with "real" for a number of the dtype.
    """
    if on_device or dtype not in "fd":
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
    """How many threads BLAS has been given: all cores, or OPENBLAS_NUM_THREADS, OMP_NUM_THREADS."""
    return 1 if on_device else max((library.num_threads for library in blas_libraries()), default=1)


@contextlib.contextmanager
def single_threaded_blas() -> Iterator[None]:
    """One thread for each call of BLAS meanwhile: for products too small to be divided, or divided already."""
    before = [] if on_device else [library.num_threads for library in blas_libraries()]
    if max(before, default=1) == 1:
        yield
        return
    try:
        for library in blas_libraries():
            library.set_num_threads(1)
        yield
    finally:
        for library, threads in zip(blas_libraries(), before, strict=True):
            library.set_num_threads(threads)


def small_products(multiplications: int) -> contextlib.AbstractContextManager[None]:
    """For a loop over products of this size: BLAS uses one thread meanwhile if they are too small to be divided.

    Two threads finish no sooner than one up to 2^21 multiplications with AVX-512, 2^19 with AVX2, as measured.
    """
    small = multiplications < (1 << 21 if _avx512() else 1 << 19)
    return single_threaded_blas() if small else contextlib.nullcontext()


@functools.cache
def _avx512() -> bool:
    return not on_device and any(getattr(library, "architecture", None) in _AVX512 for library in blas_libraries())


def kernels_at_once(numbers: int) -> int:
    """Up to how many kernels one product of a convolution is to have, those for several output rows together.

    A CPU's BLAS first puts the columns into its own order, which fewer do not pay back. With AVX-512 OpenBLAS leaves
    that out for small products (:func:`pieces`), and is slow only at fewer than 4 rows.

    Args:
        numbers: in the kernels for one row.
    """
    if on_device:
        return 1
    return 4 if _avx512() and numbers <= _FEW else 24


def pieces(numbers: int, columns: int) -> int:
    """Into how many products of equally many columns to divide one, so that each is small; 1 where that does not pay.

    Args:
        numbers: in the first factor.
        columns: of the second.
    """
    least = -(-numbers * columns // _DIRECT)
    if least < 2 or numbers > _FEW or not _avx512():
        return 1
    return next((count for count in range(least, columns // _NARROW + 1) if columns % count == 0), 1)


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """An uninitialised array for a product's second factor; it starts with a cache line where this is read as it lies.

    From where malloc happens to give it, reading takes up to a quarter of the product's time more with AVX-512.
    """
    if not _avx512():
        return xp.empty(shape, dtype=dtype)
    memory = np.empty(math.prod(shape) * dtype.itemsize + _LINE, "uint8")
    return np.ndarray(shape, dtype, memory, -memory.ctypes.data % _LINE)


def aligned(x: Array) -> Array:
    """x, contiguous, and where it matters a copy in memory as :func:`aligned_empty` has it."""
    if not _avx512():
        return xp.ascontiguousarray(x)
    copy = aligned_empty(x.shape, x.dtype)
    copy[...] = x
    return copy
