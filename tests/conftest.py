"""What all tests share."""

import numpy as np
import pytest

import xpnn as nn
from xpnn.backend import gemm

if hasattr(nn.xp, "stand_in"):  # whose cuBLAS is emulated
    from cupy._cublas import Cublas

    gemm.load = Cublas


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
