"""What NumPy leaves out of BLAS: adding a product or a vector to an array in place, and the number of threads.

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

_AVX512 = ("SkylakeX", "Cooperlake", "SapphireRapids")  # OpenBLAS's names of its kernels
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


def axpby(a: float, x: Array, b: float, y: Array) -> None:
    """y = a x + b y for vectors, each number being read and written once.

    Args:
        a, b: numbers, or 0-d arrays of the backend.
        x, y: of one length, contiguous.
    """
    function = _axpby(y.dtype.char) if x.dtype == y.dtype else None
    if function is None or not (x.flags.c_contiguous and y.flags.c_contiguous):
        y *= b
        y += a * x
        return
    function(y.size, a, x.ctypes.data, 1, b, y.ctypes.data, 1)


@functools.cache
def _gemm(dtype: str) -> Callable[..., None] | None:
    """cblas_sgemm or cblas_dgemm."""
    return _function("gemm", dtype, [*[ctypes.c_int] * 3, *[_I] * 3, "real", _P, _I, _P, _I, "real", _P, _I])


@functools.cache
def _axpby(dtype: str) -> Callable[..., None] | None:
    """cblas_saxpby or cblas_daxpby, which OpenBLAS has beyond the standard."""
    return _function("axpby", dtype, [_I, "real", _P, _I, "real", _P, _I])


_I, _P = ctypes.c_int64, ctypes.c_void_p


def _function(name: str, dtype: str, types: list[Any]) -> Callable[..., None] | None:
    """A function of BLAS's with 64-bit integers; None where there is none."""
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
    """For a loop over products of this size: BLAS uses one thread meanwhile if they are too small to be divided."""
    return single_threaded_blas() if multiplications < _small() else contextlib.nullcontext()


@functools.cache
def _small() -> int:
    """Multiplications that two threads finish no sooner than one, as measured with AVX-512 and with AVX2."""
    avx512 = any(getattr(library, "architecture", None) in _AVX512 for library in blas_libraries())
    return 1 << 21 if avx512 else 1 << 19
