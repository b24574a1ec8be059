"""What tests of data share."""

import gzip

import numpy as np
import pytest
from border import ONCE, idx

collect_ignore_glob = [] if ONCE else ["test_*.py"]
"""Data know neither forms nor a device: once is enough."""


@pytest.fixture
def folder(tmp_path, rng):
    """Four small IDX files, two of them gzipped."""
    for stem, count in (("train", 7), ("t10k", 3)):
        pixels = rng.integers(0, 256, (count, 4, 5), dtype=np.uint8)
        (tmp_path / f"{stem}-images-idx3-ubyte").write_bytes(idx(pixels))
        labels = np.arange(count, dtype=np.uint8) % 3
        (tmp_path / f"{stem}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    return tmp_path
