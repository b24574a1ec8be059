"""What NumPy's matmul leaves out of BLAS: adding a product to an array, and the number of threads.

The BLAS is the one that NumPy has loaded. Where its entry points are not found (Apple's Accelerate, say), and on a
device, plain NumPy or CuPy does the same.
"""

import contextlib
import ctypes
import functools
from collections.abc import Callable, Iterator
from typing import Any

from .gemm import accumulate, matrices
from .select import Array, on_device

_SMALL = 1 << 21  # multiplications in a product that two threads finish no sooner than one
_WORTH = 1 << 14  # numbers in the result: for fewer, the call costs more than the temporary array
_ROW_MAJOR, _TURNS = 101, {False: 111, True: 112}  # cblas.h: whether a matrix is transposed


def add_product(out: Array, a: Array, b: Array) -> None:
    """out += a @ b for matrices, without a temporary array for the product.

    Args:
        out: (m, n), C-contiguous.
        a: (m, k).
        b: (k, n).
    """
    gemm = _gemm(out.dtype.char) if out.size >= _WORTH and out.dtype == a.dtype == b.dtype else None
    if gemm is None or not out.flags.c_contiguous:
        accumulate(out, a, b)
        return
    (m, k), n = a.shape, b.shape[1]
    (A, turn_a, lda), (B, turn_b, ldb) = matrices(a), matrices(b)
    turns = (_TURNS[turn_a], _TURNS[turn_b])
    gemm(_ROW_MAJOR, *turns, m, n, k, 1.0, A.ctypes.data, lda, B.ctypes.data, ldb, 1.0, out.ctypes.data, n)


@functools.cache
def _gemm(dtype: str) -> Callable[..., None] | None:
    """cblas_sgemm or cblas_dgemm."""
    if on_device or dtype not in "fd":
        return None
    letter, real = {"f": ("s", ctypes.c_float), "d": ("d", ctypes.c_double)}[dtype]
    for library in blas_libraries():
        for pattern, integer in (("scipy_cblas_{}gemm64_", ctypes.c_int64), ("cblas_{}gemm64_", ctypes.c_int64)):
            function = getattr(library.dynlib, pattern.format(letter), None)
            if function is not None:
                pointer = ctypes.c_void_p
                function.restype = None
                function.argtypes = [*[ctypes.c_int] * 3, *[integer] * 3, real, pointer, integer, pointer, integer]
                function.argtypes += [real, pointer, integer]
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
    """For a loop over products of this size: BLAS uses one thread meanwhile if they are too small to be divided."""
    return single_threaded_blas() if multiplications < _SMALL else contextlib.nullcontext()
