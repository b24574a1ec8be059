"""A stand-in for CuPy on a machine without a GPU, for the tests: NumPy behind CuPy's border between host and device.

``PYTHONPATH=tests/stand_in NN_BACKEND=cupy pytest`` runs the suite with it. It refuses what CuPy refuses, keeps every
scalar on the "device", and counts what crosses the border (:mod:`cupy.stand_in`). README.md says where it is
stricter than CuPy and what it cannot show.
"""

from typing import Any

import numpy as _np

from . import cuda, lib, linalg, stand_in
from ._array import ndarray
from ._functions import (
    TABLE,
    UFUNCS,
    array,
    asanyarray,
    asarray,
    ascontiguousarray,
    asnumpy,
    get_array_module,
    may_share_memory,
    ndim,
    result_type,
    shape,
    shares_memory,
    take,
    take_along_axis,
    where,
)
from ._kernels import RawKernel as RawKernel
from ._kernels import RawModule
from ._memory import MemoryPool, default_pool
from ._names import SHARED, words

__version__ = "14 (stand-in)"

globals().update({name: getattr(_np, name) for name in words(SHARED)})
globals().update(UFUNCS)
globals().update({name: function for name, function in TABLE.items() if "." not in name})

__all__ = [
    "RawModule",
    "array",
    "asanyarray",
    "asarray",
    "ascontiguousarray",
    "asnumpy",
    "cuda",
    "get_array_module",
    "get_default_memory_pool",
    "lib",
    "linalg",
    "may_share_memory",
    "ndarray",
    "ndim",
    "result_type",
    "shape",
    "shares_memory",
    "stand_in",
    "take",
    "take_along_axis",
    "where",
    *words(SHARED),
    *UFUNCS,
    *(name for name in TABLE if "." not in name),
]


def get_default_memory_pool() -> MemoryPool:
    return default_pool


def __getattr__(name: str) -> Any:
    raise AttributeError(f"module 'cupy' has no attribute {name!r}; or its stand-in in tests/stand_in lacks it")
