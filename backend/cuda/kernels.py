"""The kernels in CUDA beside this file: compiled at first use for the device that runs, and launched."""

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
_LONG = 1 << 30  # numbers; arrays that reach farther need indices of 64 bits, which a GPU takes longer for
REAL = {"float32": "float", "float64": "double"}
"""The dtypes that there are kernels for, in CUDA's words."""


def real(form: F) -> F:
    """Have a form decline where its first argument is of a dtype that there are no kernels for."""

    first = next(iter(signature(form).parameters))

    @may_decline
    @wraps(form)
    def checked(*args: Any, **options: Any) -> Any:
        array = args[0] if args else options[first]
        return form(*args, **options) if array.dtype.name in REAL else NotImplemented

    return checked  # type: ignore[return-value]


def source() -> str:
    """All kernels."""
    return "\n".join((_FOLDER / name).read_text() for name in _FILES)


def launch(name: str, threads: int, dtype: Any, *args: Array | float | None, block: int = _BLOCK) -> None:
    """Run a kernel on the current stream; nothing is awaited, so a capture can hold it.

    Args:
        name: the kernel's.
        threads: how many there must be at least.
        dtype: of its REAL.
        args: its own. Arrays go by address, whole numbers as its INDEX, others as REAL, None as a null pointer.
        block: threads that can wait for each other.

    Raises:
        TypeError: an array of floating-point numbers has another dtype than REAL.
    """
    arrays = [arg for arg in args if isinstance(arg, xp.ndarray)]
    for array in arrays:
        if array.dtype.kind == "f" and array.dtype != dtype:
            raise TypeError(f"{name}: expected arrays of {dtype}, got one of {array.dtype}")
    index = np.int32 if max(threads, *map(_reach, arrays)) < _LONG else np.int64
    numbers = tuple(_argument(arg, np.dtype(dtype).type, index) for arg in args)
    _function(name, np.dtype(dtype).name, index)((max(1, -(-threads // block)),), (block,), numbers)


def _reach(x: Array) -> int:
    """How far from its first number an array's last one may lie."""
    if x.flags.c_contiguous:
        return x.size
    return sum(abs(stride) * (length - 1) for stride, length in zip(x.strides, x.shape, strict=True)) // x.itemsize


def row_sums(out: Array, x: Array, keep: float = 1.0, scale: float = 1.0) -> None:
    """out = keep out + scale x.sum(1) in one launch: out (rows,) is contiguous, x (rows, columns) in any order."""
    rows, columns = x.shape
    at_once = 4 if abs(x.strides[0]) < abs(x.strides[1]) and rows > 1 else 1  # neighbours in memory to neighbours
    block = at_once * together(columns, 1024 // at_once)
    numbers = (rows, columns, at_once, float(keep), float(scale))
    launch("row_sums", -(-rows // at_once) * block, out.dtype, *strided(x), out, *numbers, block=block)


def together(columns: int, most: int = 1024) -> int:
    """Threads to add up so many numbers: a power of two from 32 on, with about four numbers for each."""
    return min(most, max(32, 1 << (-(-columns // 4) - 1).bit_length()))


def strided(x: Array) -> tuple[Any, ...]:
    """An array and its strides in numbers, for a kernel that takes any memory order."""
    return x, *(stride // x.itemsize for stride in x.strides)


def lengths(x: Array) -> tuple[int, ...]:
    """C, H, W, N of images (N, C, H, W): in the order of the threads."""
    return *x.shape[1:], x.shape[0]


def stretch(samples: int) -> int:
    """How many threads share so many samples of a pixel: each takes about four where there are many."""
    return samples if samples < 128 else -(-samples // 4)


def number(value: Any, dtype: Any) -> tuple[Array | None, float]:
    """The two arguments that stand for a number: where a captured step has a 0-d array, its address, else the value."""
    return (value.astype(dtype, copy=False), 0.0) if isinstance(value, xp.ndarray) else (None, float(value))


def _argument(arg: Any, real: Any, index: Any) -> Any:
    """As CuPy passes it on unchanged: a Python number's size is CuPy's choice, that of NumPy's is known."""
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
