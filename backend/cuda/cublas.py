"""cuBLAS through a handle of our own.

CuPy's own products copy batched matrices, and CuPy 14 refuses cuBLAS while a stream is capturing (``cublas.setStream``
raises NotImplementedError). cuBLAS itself can be captured if the caller provides its workspace, as here.

cuBLAS is column-major, so it computes C^T = B^T A^T: a row-major matrix is the transpose of a column-major one in the
same memory, and nothing is copied. Sources: NVIDIA, "cuBLAS", sections 1.1 (data layout), 2.1 (CUDA graphs), 2.8
(cublasGemmStridedBatchedEx).
"""

import ctypes
import os
import threading
from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

from ..select import Array, xp
from ..shared.matrices import matrices
from .errors import out_of_memory

_xp: Any = xp
TYPES = {"float32": (0, 68, ctypes.c_float), "float64": (1, 70, ctypes.c_double)}  # CUDA_R_*, CUBLAS_COMPUTE_*
_TF32 = 77  # CUBLAS_COMPUTE_32F_FAST_TF32
_GEMM_DEFAULT = -1


class Batch(NamedTuple):
    """Matrices at equal distances: offsets of the first ones in bytes, batch size, distances in elements."""

    offsets: tuple[int, int, int]
    size: int
    strides: tuple[int, int, int]


def batched(a: Array, b: Array, c: Array) -> Iterator[Batch]:
    """The axes in front of the matrices as few batches; neighbouring axes merge if all three arrays' strides allow.

    The longest of the remaining axes is the batch, and Python loops over the others.
    """
    shape = c.shape[:-2]
    steps = zip(*(_broadcast_strides(x, shape) for x in (a, b, c)), strict=True)
    axes: list[tuple[int, tuple[int, ...]]] = []
    for length, strides in zip(shape, steps, strict=True):
        if length == 1:
            continue
        if axes and axes[-1][1] == tuple(length * stride for stride in strides):
            axes[-1] = (axes[-1][0] * length, strides)
        else:
            axes.append((length, strides))
    longest = max(range(len(axes)), key=lambda axis: axes[axis][0], default=None)
    count, inner = (1, (0, 0, 0)) if longest is None else axes.pop(longest)
    elements = tuple(stride // a.itemsize for stride in inner)
    for place in product(*(range(length) for length, _ in axes)):
        offsets = (sum(i * strides[x] for i, (_, strides) in zip(place, axes, strict=True)) for x in range(3))
        yield Batch(tuple(offsets), count, elements)  # type: ignore[arg-type]


def _broadcast_strides(x: Array, shape: tuple[int, ...]) -> tuple[int, ...]:
    """x's strides along the axes in front, 0 where it is broadcast."""
    own = list(zip(x.shape[:-2], x.strides[:-2], strict=True))
    padded = [(1, 0)] * (len(shape) - len(own)) + own
    return tuple(0 if length == 1 else stride for length, stride in padded)


class Cublas(threading.local):
    """A cuBLAS handle with a workspace for each thread; nothing is shared with CuPy's handle.

    Args:
        functions: libcublas, as ctypes loads it.
    """

    def __init__(self, functions: Any) -> None:
        self._functions = functions
        self._handle = ctypes.c_void_p()
        self._call("cublasCreate_v2", ctypes.byref(self._handle))
        # NVIDIA's recommendation: 32 MiB from compute capability 9 on, 4 MiB before
        capability = int(_xp.cuda.Device().compute_capability)
        self._workspace = xp.empty(32 << 20 if capability >= 90 else 4 << 20, dtype="uint8")
        self._stream: int | None = None

    def products(self, a: Array, b: Array, c: Array, add: bool = False) -> None:
        """c = a b, or c += a b, for each matrix of the batch, on the current stream.

        None may be empty, and cuBLAS must be able to write to c (``products._is_target``).
        """
        self._use_current_stream()
        (M, N), K = c.shape[-2:], a.shape[-1]
        kind, compute, number = TYPES[a.dtype.name]
        if compute == 68 and os.environ.get("CUPY_TF32", "0") not in ("", "0"):  # as in CuPy's own products
            compute = _TF32
        one, before = ctypes.byref(number(1)), ctypes.byref(number(add))
        first, second = matrices(b), matrices(a)  # B^T A^T
        size = (int(first.transposed), int(second.transposed), N, M, K)
        leading = (first.leading, second.leading, matrices(c).leading)
        arrays = (first.array, second.array, c)
        for batch in batched(*arrays):
            places = [_address(x) + offset for x, offset in zip(arrays, batch.offsets, strict=True)]
            A, B, C = ((place, kind, line) for place, line in zip(places, leading, strict=True))
            if batch.size == 1:
                self._call("cublasGemmEx_64", self._handle, *size, one, *A, *B, before, *C, compute, _GEMM_DEFAULT)
            else:
                to_a, to_b, to_c = batch.strides
                arguments = (*size, one, *A, to_a, *B, to_b, before, *C, to_c, batch.size, compute, _GEMM_DEFAULT)
                self._call("cublasGemmStridedBatchedEx_64", self._handle, *arguments)

    def _use_current_stream(self) -> None:
        stream = _xp.cuda.get_current_stream().ptr
        if stream != self._stream:
            self._call("cublasSetStream_v2", self._handle, stream)
            # cublasSetStream resets the workspace
            self._call("cublasSetWorkspace_v2", self._handle, _address(self._workspace), self._workspace.nbytes)
            self._stream = stream

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._functions, name)(*arguments)
        if status == 3:  # CUBLAS_STATUS_ALLOC_FAILED
            raise out_of_memory(f"{name} failed")
        if status:
            stream = _xp.cuda.get_current_stream()
            if not stream.is_capturing():
                stream.synchronize()  # raises CUDA's own error if there is one
            raise RuntimeError(f"{name} failed with cuBLAS's status {status}")


def _address(array: Any) -> int:
    return array.data.ptr


_P, _I, _L = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64
_MATRIX = (_P, _I, _L)
_SIGNATURES: dict[str, tuple[Any, ...]] = {
    "cublasCreate_v2": (_P,),
    "cublasSetStream_v2": (_P, _P),
    "cublasSetWorkspace_v2": (_P, _P, ctypes.c_size_t),
    "cublasGemmEx_64": (_P, _I, _I, _L, _L, _L, _P, *_MATRIX, *_MATRIX, _P, *_MATRIX, _I, _I),
    "cublasGemmStridedBatchedEx_64": (
        *(_P, _I, _I, _L, _L, _L, _P, *_MATRIX, _L, *_MATRIX, _L, _P, *_MATRIX, _L, _L, _I, _I),
    ),
}


def load() -> Any:
    """The libcublas that CuPy uses, with the functions' signatures; None if it is not available."""
    try:
        from cuda import pathfinder

        functions = ctypes.CDLL(pathfinder.load_nvidia_dynamic_lib("cublas").abs_path)
        for name, types in _SIGNATURES.items():
            getattr(functions, name).argtypes = types
    except (ImportError, OSError, RuntimeError, AttributeError):  # not installed, or older than CUDA 12
        return None
    return functions


_cublas: list[Cublas | None] = []


def library() -> Cublas | None:
    """The process's Cublas, which has a handle for each thread; None if cuBLAS is not available."""
    if not _cublas:
        functions = load()
        _cublas.append(None if functions is None else Cublas(functions))
    return _cublas[0]
