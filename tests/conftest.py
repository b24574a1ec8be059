"""What all tests share."""

import numpy as np
import pytest
from border import COMPILER, NO_KERNELS

import xpnn as nn
from xpnn.backend.select import plain

if hasattr(nn.xp, "stand_in") and not plain:  # whose cuBLAS is emulated
    from cupy._cublas import Cublas

    from xpnn.backend.cuda import cublas, kernels

    cublas.load = Cublas
    if NO_KERNELS:
        kernels.REAL.clear()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if NO_KERNELS:
        terminalreporter.write_line(f"the device's kernels were not run, for want of {COMPILER}", yellow=True)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
