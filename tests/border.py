"""The border between host and device in tests, and what else several of them need.

Tests make their data with NumPy, carry it over with ``dev`` and compare with ``host``, so that one suite runs under
every backend.
"""

import os
import shutil
import struct
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

import xpnn as nn
from xpnn.backend.select import plain

COMPILER = os.environ.get("CXX", "g++")
PLAIN = plain
"""Whether the equations run as they stand (NN_PLAIN=1)."""

ONCE = nn.xp is np and not PLAIN
"""Whether this run, by forms on NumPy, is the one that has the tests that are the same in every run."""

STAND_IN = hasattr(nn.xp, "stand_in")
"""Whether the stand-in for CuPy computes, which runs kernels thread by thread: 100 times slower than NumPy."""

AS_USED = not (PLAIN or STAND_IN)
"""Whether the package runs as people run it, by forms on NumPy or on a GPU."""

ELEMENTS = 0 if STAND_IN else 100
"""gradcheck's ``max_elements``: each takes two passes, and the equations are checked by elements in the other runs."""

learns = pytest.mark.skipif(not AS_USED, reason="how well it learns is seen where it runs as people run it")
"""For tests that train to an accuracy. Plain and on the stand-in training is compared with others', step by step."""

NO_KERNELS = shutil.which(COMPILER) is None and os.environ.get("XPNN_REQUIRE_PEERS", "0") in ("", "0")
"""Without a C++ compiler the stand-in for CuPy computes by the equations; under XPNN_REQUIRE_PEERS it must have one."""


def emulate_cublas() -> None:
    """On the stand-in for CuPy, put its cuBLAS in the library's place; without a compiler, all kernels decline."""
    if not hasattr(nn.xp, "stand_in"):
        return
    from cupy._cublas import Cublas

    from xpnn.backend.cuda import cublas, kernels

    cublas.load = Cublas
    if NO_KERNELS:
        kernels.REAL.clear()


def dev(data, dtype="float64"):
    """Host data on the backend, float64 unless told; integers stay integers."""
    data = np.asarray(data)
    return nn.asarray(data, dtype if data.dtype.kind == "f" else None)


def host(array) -> np.ndarray:
    """A backend array or scalar on the host."""
    return nn.to_numpy(nn.xp.asarray(array))


def randomise(layer: nn.Layer, rng: np.random.Generator) -> None:
    """Other than initial values in all parameters, so that no bias is 0."""
    for key, value in layer.params.items():
        layer.params[key] = rng.uniform(-1, 1, value.shape)


def parameters(model: nn.Layer) -> np.ndarray:
    """All of them, copied to the host."""
    return host(model.flat_params).copy()


def idx(array: np.ndarray) -> bytes:
    """The bytes of an IDX file that holds the array."""
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@contextmanager
def traced() -> Iterator[SimpleNamespace]:
    """A block whose largest memory, of Python's and NumPy's objects, is afterwards ``peak``, in bytes."""
    memory = SimpleNamespace(peak=0)
    tracemalloc.start()
    try:
        yield memory
    finally:
        memory.peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
