"""Kernels written in CUDA: their very source, compiled by the machine's own C++ compiler and run thread by thread.

What a graphics card would do in parallel is done in a row, so races and memory order stay unseen; the arithmetic, the
indices and the arguments are those of the source. Stricter than CuPy: each argument must have the parameter's type.
"""

import ctypes
import os
import re
import shlex
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from . import _streams
from ._array import allocations, ndarray
from .stand_in import launched

_HEADER = Path(__file__).with_name("kernels.h")
_KERNEL = re.compile(r"__global__ void (?:__launch_bounds__\(\d+\) )?(\w+)\(")

COMPILER = os.environ.get("CXX", "g++")

backwards = False
"""Whether threads run from the last to the first: the results must not depend on it."""


class RawModule:
    """As CuPy's, of source."""

    def __init__(self, code: str | None = None, *, path: str | None = None, options: tuple[str, ...] = (),
                 backend: str = "nvrtc", translate_cucomplex: bool = False, enable_cooperative_groups: bool = False,
                 name_expressions: Any = None, jitify: Any = None) -> None:  # fmt: skip
        if code is None or path or translate_cucomplex or enable_cooperative_groups or name_expressions or jitify:
            raise NotImplementedError("the stand-in compiles source of kernels without mangled names, and no more")
        self._code, self._options = code, tuple(options)

    def get_function(self, name: str) -> "RawKernel":
        _streams.refuse_while_capturing("loading a kernel")
        if name not in _KERNEL.findall(self._code):
            raise _streams.CUDADriverError(500, "CUDA_ERROR_NOT_FOUND: named symbol not found")
        return RawKernel(compiled(self._code, self._options), name)


class RawKernel:
    """As CuPy's, from ``RawModule.get_function``."""

    def __init__(self, library: ctypes.CDLL, name: str) -> None:
        self.name = name
        self._launch = getattr(library, f"stand_in_{name}")

    def __call__(self, grid: Any, block: Any, args: Any, **kwargs: Any) -> None:
        (blocks,), (threads,) = grid, block
        if kwargs or not 1 <= threads <= 1024 or not 1 <= blocks < 1 << 31:
            raise _streams.CUDADriverError(1, "CUDA_ERROR_INVALID_VALUE: invalid argument")
        for arg in args:
            if not isinstance(arg, (ndarray, np.generic)):
                raise TypeError(f"{self.name}: an argument of type {type(arg).__name__}, whose size CuPy would choose")
        values = [np.uint64(arg.data.ptr) if isinstance(arg, ndarray) else arg for arg in args]
        types = [f"*{_type(arg)}" if isinstance(arg, ndarray) else _type(arg) for arg in args]
        launched(self.name)
        _streams.run(lambda: self._run(blocks, threads, values, types), *allocations(*args))

    def _run(self, blocks: int, threads: int, values: list[Any], types: list[str]) -> None:
        cells = [np.array(value) for value in values]
        addresses = (ctypes.c_void_p * len(cells))(*(cell.ctypes.data for cell in cells))
        names = (ctypes.c_char_p * len(types))(*(name.encode() for name in types))
        status = self._launch(ctypes.c_longlong(blocks), ctypes.c_longlong(threads), ctypes.c_bool(backwards),
                              addresses, names, len(cells))  # fmt: skip
        if status == -2:
            raise RuntimeError(f"{self.name}: some threads wait for others that have ended")
        if status < 0:
            raise TypeError(f"{self.name}: {len(cells)} arguments, which is not the kernel's number of parameters")
        if status:
            raise TypeError(f"{self.name}: argument {status} is {types[status - 1]}, the kernel's parameter is not")


def _type(value: Any) -> str:
    return value.dtype.str.lstrip("<|")


@cache
def compiled(code: str, options: tuple[str, ...]) -> ctypes.CDLL:
    """The kernels as a library; STAND_IN_CXXFLAGS may hold options more."""
    launchers = "\n".join(f"LAUNCHED_BY(stand_in_{name}, {name})" for name in _KERNEL.findall(code))
    flags = ["-std=c++20", "-O0", "-ffp-contract=off", "-shared", "-fPIC", *options]
    flags += shlex.split(os.environ.get("STAND_IN_CXXFLAGS", ""))
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder, "kernels.cpp"), Path(folder, "kernels.so")
        source.write_text(f'#include "{_HEADER}"\n#line 1 "kernels.cu"\n{code}\n{launchers}\n')
        done = subprocess.run([COMPILER, *flags, source, "-o", library], capture_output=True, text=True)
        if done.returncode:
            raise CompileException(done.stderr)
        return ctypes.CDLL(str(library))


class CompileException(Exception):  # noqa: N818 (CuPy's name)
    """As CuPy's."""

    __module__ = "cupy.cuda.compiler"
