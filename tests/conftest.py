"""What all tests share."""

import os
import shutil

import numpy as np
import pytest

import xpnn as nn
from xpnn.backend import gemm, kernels

COMPILER = os.environ.get("CXX", "g++")
NO_KERNELS = shutil.which(COMPILER) is None and os.environ.get("XPNN_REQUIRE_PEERS", "0") in ("", "0")
"""Without a C++ compiler the stand-in for CuPy computes by the equations; under XPNN_REQUIRE_PEERS it must have one."""

if hasattr(nn.xp, "stand_in"):  # whose cuBLAS is emulated
    from cupy._cublas import Cublas

    gemm.load = Cublas
    if NO_KERNELS:
        kernels.REAL.clear()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if NO_KERNELS:
        terminalreporter.write_line(f"the device's kernels were not run, for want of {COMPILER}", yellow=True)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
