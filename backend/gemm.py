"""Matrix products: numpy.matmul, and on a device cuBLAS by a handle of our own.

CuPy's own products copy what is batched, and CuPy 14 refuses cuBLAS while a stream is capturing (``cublas.setStream``
raises NotImplementedError). cuBLAS itself can be captured where its workspace is given to it, as it is here.

cuBLAS keeps matrices in column-major order, so it is asked for C^T = B^T A^T: a matrix of rows is the transpose of a
matrix of columns, and no element moves. Sources: NVIDIA, "cuBLAS", sections 1.1 (data layout), 2.1 (CUDA graphs), 2.8
(cublasGemmStridedBatchedEx).
"""

import ctypes
import os
import threading
from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from .errors import out_of_memory
from .kernels import REAL, row_sums
from .numpy_blas import pieces
from .select import Array, on_device, xp

_xp: Any = xp
_TYPES = {"float32": (0, 68, ctypes.c_float), "float64": (1, 70, ctypes.c_double)}  # CUDA_R_*, CUBLAS_COMPUTE_*
_TF32 = 77  # CUBLAS_COMPUTE_32F_FAST_TF32
_GEMM_DEFAULT = -1


def matmul(a: Array, b: Array, out: Array | None = None) -> Array:
    """``a @ b`` as numpy.matmul has it, into ``out`` where given.

    On a device without a copy where the strides allow: of each matrix one axis is contiguous and its lines do not
    overlap; the matrices of a batch may lie at any distance and may overlap.

    Shapes:
        a (..., M, K), b (..., K, N), out (..., M, N); the axes in front are broadcast. Vectors as in numpy.matmul.

    Args:
        a, b: the factors.
        out: must not overlap the factors.

    Raises:
        ValueError: the shapes do not match.
    """
    if not on_device:
        return np.matmul(a, b, out=out) if b.ndim < 3 else _batch_on_cpu(a, b, out)
    if not _suits(a, b) or (library := _library()) is None:
        return xp.matmul(a, b, out=out)
    shape = _shape(a, b)
    if out is not None and (out.shape != shape or out.dtype != a.dtype):
        raise ValueError(f"matmul: expected out of shape {shape} and {a.dtype}, got {out.shape} and {out.dtype}")
    if out is not None and not _is_target(out):
        if _is_target(out.mT):
            matmul(b.mT, a.mT, out.mT)  # (A B)^T = B^T A^T
        else:
            out[...] = matmul(a, b)
        return out
    c = xp.empty(shape, dtype=a.dtype) if out is None else out
    if not _in_pieces(a, b, c, 0.0):
        library.products(a, b, c)
    return c


def _batch_on_cpu(a: Array, b: Array, out: Array | None) -> Array:
    """numpy.matmul, with rows or columns divided where BLAS is quicker so, all in one call."""
    in_order = a.ndim > 1 and b.strides[-1] == b.itemsize
    rows, columns = pieces(a.shape[-2], a.shape[-1], b.shape[-1]) if in_order else (1, 1)
    if rows == columns == 1:
        return np.matmul(a, b, out=out)
    out = np.empty(_shape(a, b), dtype=np.result_type(a, b)) if out is None else out
    # views all of them: (..., rows, columns) in front of the matrices
    first = a.reshape(*a.shape[:-2], rows, 1, -1, a.shape[-1])
    second = b.reshape(*b.shape[:-1], columns, -1).swapaxes(-2, -3)[..., None, :, :, :]
    target = out.reshape(*out.shape[:-2], rows, a.shape[-2] // rows, columns, -1).swapaxes(-2, -3)
    np.matmul(first, second, out=target)
    return out


def accumulate(out: Array, a: Array, b: Array) -> None:
    """out += a @ b; on a device by cuBLAS itself where it can write to ``out``, which saves a launch and an array."""
    if on_device and out.dtype == a.dtype and _suits(a, b) and out.shape == _shape(a, b):
        library = _library()
        if library is not None and _in_pieces(a, b, out, 1.0):
            return
        for target, first, second in ((out, a, b), (out.mT, b.mT, a.mT)):  # (A B)^T = B^T A^T
            if library is not None and _is_target(target):
                library.products(first, second, target, add=True)
                return
    out += matmul(a, b)


_SMALL = 1 << 12  # numbers in a result, by which alone cuBLAS keeps few of a device's processors busy


def _in_pieces(a: Array, b: Array, out: Array, keep: float) -> bool:
    """out = keep out + a @ b by one batch of products for pieces of the sums, which are then added up.

    For a small result of long sums, where cuBLAS itself can take ten times as long; False where it is none.
    """
    (M, K), N = a.shape[-2:], b.shape[-1]
    small = a.ndim == b.ndim == 2 and M * N <= _SMALL and K >= 128 and out.flags.c_contiguous
    piece = next((piece for piece in range(32, 15, -1) if K % piece == 0), 0) if small else 0
    if not piece or a.dtype.name not in REAL:
        return False
    view = xp.lib.stride_tricks.as_strided
    first = view(a, (K // piece, M, piece), (piece * a.strides[1], *a.strides))
    second = view(b, (K // piece, piece, N), (piece * b.strides[0], *b.strides))
    row_sums(out.reshape(-1), matmul(first, second).reshape(-1, M * N).T, keep)
    return True


def _suits(a: Array, b: Array) -> bool:
    """Whether cuBLAS is to do it; the others (vectors, integers, empty ones, wrong shapes) are CuPy's affair."""
    both = a.ndim > 1 and b.ndim > 1 and a.dtype == b.dtype and a.dtype.name in _TYPES
    return both and a.size > 0 and b.size > 0 and a.shape[-1] == b.shape[-2]


def _shape(a: Array, b: Array) -> tuple[int, ...]:
    """The product's."""
    return *np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1]


def _is_target(c: Array) -> bool:
    """Whether cuBLAS can write each matrix as rows that are contiguous and apart."""
    (rows, cols), (down, along) = c.shape[-2:], (stride // c.itemsize for stride in c.strides[-2:])
    return (cols == 1 or along == 1) and (rows == 1 or down >= cols)


class Matrices(NamedTuple):
    """One argument of a product: ``transposed`` and ``leading`` as cuBLAS takes the transpose of a matrix of rows."""

    array: Array
    transposed: bool
    leading: int


def matrices(x: Array) -> Matrices:
    """x (..., rows, cols) for BLAS; a copy only where neither axis is contiguous or lines overlap."""
    (rows, cols), (down, along), size = x.shape[-2:], x.strides[-2:], x.itemsize
    if down % size or along % size:  # a field of a packed NumPy record
        return Matrices(xp.ascontiguousarray(x), False, cols)
    down, along = down // size, along // size
    if (cols == 1 or along == 1) and (rows == 1 or down >= cols):
        return Matrices(x, False, cols if rows == 1 else down)
    if (rows == 1 or down == 1) and (cols == 1 or along >= rows):
        return Matrices(x, True, rows if cols == 1 else along)
    return Matrices(xp.ascontiguousarray(x), False, cols)


class Batch(NamedTuple):
    """Matrices at equal distances: the first ones' offsets in bytes, their number, the distances in elements."""

    offsets: tuple[int, int, int]
    size: int
    strides: tuple[int, int, int]


def batched(a: Array, b: Array, c: Array) -> Iterator[Batch]:
    """The axes in front of the matrices as few batches: neighbouring axes join where all three run on through both.

    The longest axis that is left is the batch; over the others Python loops.
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
    """A handle of cuBLAS for each thread, with its workspace; nothing is shared with CuPy's handle.

    Args:
        functions: libcublas, as ctypes loads it.
    """

    def __init__(self, functions: Any) -> None:
        self._functions = functions
        self._handle = ctypes.c_void_p()
        self._call("cublasCreate_v2", ctypes.byref(self._handle))
        # what NVIDIA recommends: 32 MiB from compute capability 9 on, 4 MiB before
        capability = int(_xp.cuda.Device().compute_capability)
        self._workspace = xp.empty(32 << 20 if capability >= 90 else 4 << 20, dtype="uint8")
        self._stream: int | None = None

    def products(self, a: Array, b: Array, c: Array, add: bool = False) -> None:
        """c = a b, or c += a b, for each matrix of the batch, on the current stream; c is a target, none is empty."""
        self._use_current_stream()
        (M, N), K = c.shape[-2:], a.shape[-1]
        kind, compute, number = _TYPES[a.dtype.name]
        if compute == 68 and os.environ.get("CUPY_TF32", "0") not in ("", "0"):  # as for CuPy's own products
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
            # every change of the stream takes the workspace away again
            self._call("cublasSetWorkspace_v2", self._handle, _address(self._workspace), self._workspace.nbytes)
            self._stream = stream

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._functions, name)(*arguments)
        if status == 3:  # CUBLAS_STATUS_ALLOC_FAILED
            raise out_of_memory(f"{name} failed")
        if status:
            stream = _xp.cuda.get_current_stream()
            if not stream.is_capturing():
                stream.synchronize()  # raises CUDA's own error, where there is one
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
    """The libcublas that CuPy uses, with the functions' signatures; None where it cannot be had."""
    try:
        from cuda import pathfinder

        functions = ctypes.CDLL(pathfinder.load_nvidia_dynamic_lib("cublas").abs_path)
        for name, types in _SIGNATURES.items():
            getattr(functions, name).argtypes = types
    except (ImportError, OSError, RuntimeError, AttributeError):  # not installed, or older than CUDA 12
        return None
    return functions


_cublas: list[Cublas | None] = []


def _library() -> Cublas | None:
    if not _cublas:
        functions = load()
        _cublas.append(None if functions is None else Cublas(functions))
    return _cublas[0]
