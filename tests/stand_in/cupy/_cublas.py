"""cuBLAS as its library is called: addresses, column-major matrices, leading dimensions, status numbers."""

import ctypes
import threading
from typing import Any

import numpy as np

from ._streams import get_current_stream, run
from .stand_in import launched

_SUCCESS, _NOT_INITIALIZED, _INVALID_VALUE = 0, 1, 7
_TYPES = {0: np.dtype("float32"), 1: np.dtype("float64")}


class Cublas(threading.local):
    """Stands for the library that ctypes loads, of which each thread has a handle with a stream of its own.

    ``calls`` holds the names, counts and compute types of the thread's products.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, int, int]] = []
        self._stream: int | None = None
        self._workspace = False

    def cublasCreate_v2(self, handle: Any) -> int:  # noqa: N802 (cuBLAS's name, as are those below)
        handle._obj.value = 1
        return _SUCCESS

    def cublasSetStream_v2(self, handle: Any, stream: int) -> int:  # noqa: N802
        self._stream, self._workspace = stream, False
        return _SUCCESS

    def cublasSetWorkspace_v2(self, handle: Any, workspace: int, size: int) -> int:  # noqa: N802
        self._workspace = workspace % 16 == 0 and size >= 4 << 20
        return _SUCCESS if self._workspace else _INVALID_VALUE

    def cublasGemmEx_64(self, handle: Any, *arguments: Any) -> int:  # noqa: N802
        *size, one, a, kind, lda, b, _, ldb, beta, c, _, ldc, compute, _algorithm = arguments
        self.calls.append(("single", 1, compute))
        return self._products(handle, size, one, (a, lda, 0), (b, ldb, 0), beta, (c, ldc, 0), 1, kind, compute)

    def cublasGemmStridedBatchedEx_64(self, handle: Any, *arguments: Any) -> int:  # noqa: N802
        *size, one, a, kind, lda, to_a, b, _, ldb, to_b, beta, c, _, ldc, to_c, count, compute, _algorithm = arguments
        self.calls.append(("batched", count, compute))
        A, B, C = (a, lda, to_a), (b, ldb, to_b), (c, ldc, to_c)
        return self._products(handle, size, one, A, B, beta, C, count, kind, compute)

    def _products(self, handle: Any, size: Any, one: Any, A: Any, B: Any, beta: Any, C: Any, count: int, kind: int,
                  compute: int) -> int:  # fmt: skip
        transposed_a, transposed_b, m, n, k = size
        if handle.value != 1 or not self._workspace or self._stream != get_current_stream().ptr:
            return _NOT_INITIALIZED
        dtype = _TYPES[kind]
        shape_a, shape_b = (k, m) if transposed_a else (m, k), (n, k) if transposed_b else (k, n)
        lines = ((A, shape_a), (B, shape_b), (C, (m, n)))
        if any(place % dtype.itemsize or leading < max(1, shape[0]) for (place, leading, _), shape in lines):
            return _INVALID_VALUE
        if (compute == 70) != (kind == 1) or one._obj.value != 1 or beta._obj.value not in (0, 1):
            return _INVALID_VALUE

        def multiply() -> None:
            for i in range(count):
                a, b, c = (_matrix(place + i * step * dtype.itemsize, shape, leading, dtype)
                           for (place, leading, step), shape in lines)  # fmt: skip
                product = (a.T if transposed_a else a) @ (b.T if transposed_b else b)
                c[...] = c + product if beta._obj.value else product  # where beta is 0 cuBLAS does not read c

        launched("gemm")
        run(multiply)
        return _SUCCESS


def _matrix(place: int, shape: tuple[int, int], leading: int, dtype: np.dtype) -> np.ndarray:
    """Column-major, at an address."""
    (rows, cols), size = shape, dtype.itemsize
    buffer = (ctypes.c_char * (((cols - 1) * leading + rows) * size)).from_address(place)
    return np.ndarray(shape, dtype, buffer, strides=(size, leading * size))
