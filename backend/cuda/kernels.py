"""Compiling the .cu files of this folder, lazily and for the device in use, and launching their kernels."""

from collections.abc import Callable
from functools import cache, wraps
from inspect import signature
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..accelerate import may_decline
from ..select import Array, xp

F = TypeVar("F", bound=Callable[..., Any])

_xp: Any = xp
_FOLDER = Path(__file__).parent
_FILES = ("index.cu", "pooling.cu", "convolution.cu", "vectors.cu", "recurrence.cu")
_BLOCK = 256  # threads
_LONG = 1 << 30  # elements; larger arrays need 64-bit indices, with which a GPU is slower
REAL = {"float32": "float", "float64": "double"}
"""The dtypes that the kernels support, and their names in CUDA."""


def real(form: F) -> F:
    """Let a form decline if the kernels do not support its first argument's dtype."""

    first = next(iter(signature(form).parameters))

    @may_decline
    @wraps(form)
    def checked(*args: Any, **options: Any) -> Any:
        array = args[0] if args else options[first]
        return form(*args, **options) if array.dtype.name in REAL else NotImplemented

    return checked  # type: ignore[return-value]


def source() -> str:
    """The source of all kernels."""
    return "\n".join((_FOLDER / name).read_text() for name in _FILES)


def launch(name: str, threads: int, dtype: Any, *args: Array | float | None, block: int = _BLOCK) -> None:
    """Launch a kernel on the current stream, asynchronously, so that it can be captured.

    Args:
        name: the kernel's name.
        threads: the least number of threads.
        dtype: the dtype for the kernel's REAL.
        args: the kernel's arguments: arrays by address, integers as INDEX, floats as REAL, None as a null pointer.
        block: threads per block.

    Raises:
        TypeError: a floating-point array has another dtype than ``dtype``.
    """
    arrays = [arg for arg in args if isinstance(arg, xp.ndarray)]
    for array in arrays:
        if array.dtype.kind == "f" and array.dtype != dtype:
            raise TypeError(f"{name}: expected arrays of {dtype}, got one of {array.dtype}")
    index = np.int32 if max(threads, *map(_reach, arrays)) < _LONG else np.int64
    numbers = tuple(_argument(arg, np.dtype(dtype).type, index) for arg in args)
    _function(name, np.dtype(dtype).name, index)((max(1, -(-threads // block)),), (block,), numbers)


def _reach(x: Array) -> int:
    """The distance from an array's first element to its farthest one, in elements."""
    if x.flags.c_contiguous:
        return x.size
    return sum(abs(stride) * (length - 1) for stride, length in zip(x.strides, x.shape, strict=True)) // x.itemsize


def row_sums(out: Array, x: Array, keep: float = 1.0) -> None:
    """out = keep out + x.sum(1) in one launch; out (rows,) is contiguous, x (rows, columns) has any strides."""
    rows, columns = x.shape
    at_once = 4 if abs(x.strides[0]) < abs(x.strides[1]) and rows > 1 else 1  # neighbouring threads read neighbours
    block = at_once * together(columns, 1024 // at_once)
    threads = -(-rows // at_once) * block
    launch("row_sums", threads, out.dtype, *strided(x), out, rows, columns, at_once, float(keep), block=block)


def together(columns: int, most: int = 1024) -> int:
    """The number of threads that sum this many elements: a power of two, at least 32, with about four elements each."""
    return min(most, max(32, 1 << (-(-columns // 4) - 1).bit_length()))


def strided(x: Array) -> tuple[Any, ...]:
    """An array and its strides in elements, for a kernel that takes any memory order."""
    return x, *(stride // x.itemsize for stride in x.strides)


def lengths(x: Array) -> tuple[int, ...]:
    """(C, H, W, N) of images (N, C, H, W), the order of the threads."""
    return *x.shape[1:], x.shape[0]


def stretch(samples: int) -> int:
    """The number of threads for a pixel's samples: one each, or one for about four if there are many."""
    return samples if samples < 128 else -(-samples // 4)


def number(value: Any, dtype: Any) -> tuple[Array | None, float]:
    """A number as two kernel arguments: (0-d array, 0) in a captured step, otherwise (None, value)."""
    return (value.astype(dtype, copy=False), 0.0) if isinstance(value, xp.ndarray) else (None, float(value))


def _argument(arg: Any, real: Any, index: Any) -> Any:
    """An argument of known size: CuPy keeps a NumPy scalar's size, but would choose one for a Python number."""
    if arg is None:
        return np.uint64(0)
    if isinstance(arg, bool):
        return np.bool_(arg)
    if isinstance(arg, (int, np.integer)):
        return index(arg)
    return real(arg) if isinstance(arg, float) else arg


@cache
def _function(name: str, dtype: str, index: Any) -> Any:
    return _module(dtype, index).get_function(name)


@cache
def _module(dtype: str, index: Any) -> Any:
    types = {np.int32: "int", np.int64: "long long"}
    return _xp.RawModule(code=source(), options=(f"-DREAL={REAL[dtype]}", f"-DINDEX={types[index]}"))
