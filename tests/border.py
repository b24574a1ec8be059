"""The border between host and device in tests.

Tests make their data with NumPy, carry it over with ``dev`` and compare with ``host``, so that one suite runs under
every backend.
"""

import numpy as np

import xpnn as nn


def dev(data, dtype="float64"):
    """Host data on the backend, float64 unless told; integers stay integers."""
    data = np.asarray(data)
    return nn.asarray(data, dtype if data.dtype.kind == "f" else None)


def host(array) -> np.ndarray:
    """A backend array or scalar on the host."""
    return nn.to_numpy(nn.xp.asarray(array))
