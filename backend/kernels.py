"""kernels.cu, compiled at first use for the device that runs (CuPy keeps the result on disk), and launched."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from .select import Array, xp

_xp: Any = xp
_SOURCE = Path(__file__).with_name("kernels.cu")
_BLOCK = 256  # threads, the usual choice; not measured yet
REAL = {"float32": "float", "float64": "double"}
"""The dtypes that there are kernels for, in CUDA's words."""


def launch(name: str, threads: int, dtype: Any, *args: Array | float | None) -> None:
    """Run a kernel on the current stream; nothing is awaited, so a capture can hold it.

    Args:
        name: the kernel's.
        threads: how many there must be at least.
        dtype: of its REAL.
        args: its own. Arrays go by address, whole numbers as 64 bits, others as REAL, None as a null pointer.

    Raises:
        TypeError: an array of floating-point numbers has another dtype than REAL.
    """
    number = np.dtype(dtype).type
    for arg in args:
        if isinstance(arg, xp.ndarray) and arg.dtype.kind == "f" and arg.dtype != dtype:
            raise TypeError(f"{name}: expected arrays of {dtype}, got one of {arg.dtype}")
    grid = (max(1, -(-threads // _BLOCK)),)
    _function(name, np.dtype(dtype).name)(grid, (_BLOCK,), tuple(_argument(arg, number) for arg in args))


def strided(x: Array) -> tuple[Any, ...]:
    """An array and its strides in numbers, for a kernel that takes any memory order."""
    return x, *(stride // x.itemsize for stride in x.strides)


def lengths(x: Array) -> tuple[int, ...]:
    """C, H, W, N of images (N, C, H, W): in the order of the threads."""
    return *x.shape[1:], x.shape[0]


def gather_columns(lines: Array, image: Array, channels: int, columns: int, kernel: int, stride: int, dil: int) -> None:
    """What col2im adds up, for a part of the images (N, C, H, W) that all of its lines reach: each pixel gathers."""
    lines = xp.ascontiguousarray(lines)
    numbers = (*lengths(image), channels, columns, kernel, stride, dil)
    launch("col2im", image.size, image.dtype, lines, *strided(image), *numbers)


def number(value: Any, dtype: Any) -> tuple[Array | None, float]:
    """The two arguments that stand for a number: where a captured step has a 0-d array, its address, else the value."""
    return (value.astype(dtype, copy=False), 0.0) if isinstance(value, xp.ndarray) else (None, float(value))


def _argument(arg: Any, real: Any) -> Any:
    """As CuPy passes it on unchanged: a Python number's size is CuPy's choice, that of NumPy's is known."""
    if arg is None:
        return np.uint64(0)
    if isinstance(arg, bool):
        return np.bool_(arg)
    if isinstance(arg, int):
        return np.int64(arg)
    return real(arg) if isinstance(arg, float) else arg


@cache
def _function(name: str, dtype: str) -> Any:
    return _module(dtype).get_function(name)


@cache
def _module(dtype: str) -> Any:
    return _xp.RawModule(code=_SOURCE.read_text(), options=(f"-DREAL={REAL[dtype]}",))
