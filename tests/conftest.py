"""What the tests share: moving data to and from the backend, and a directional derivative to check gradients by.

Tests make their data with NumPy, carry it over with ``dev`` and compare with ``host``, so that one suite runs under
every backend.
"""

from collections.abc import Callable

import numpy as np
import pytest

import xpnn as nn


def dev(data, dtype="float64"):
    """Host data on the backend, float64 unless told; integers stay integers."""
    data = np.asarray(data)
    return nn.asarray(data, dtype if data.dtype.kind == "f" else None)


def host(array) -> np.ndarray:
    """A backend array or scalar on the host."""
    return nn.to_numpy(nn.xp.asarray(array))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def assert_gradients() -> Callable:
    return _assert_gradients


def _assert_gradients(layer, x, seed: int = 0, rtol: float = 1e-7) -> None:
    """Compare <dy, dy/dθ·u> by backward with central differences, for the input and each parameter θ.

    Central differences in float64 with step 1e-6 err by about 1e-10 / 1e-6 from rounding and 1e-12 from curvature,
    relative to values of order 1; rtol 1e-7 leaves no room for a wrong term.
    """
    rng, step = np.random.default_rng(seed), 1e-5
    x = np.asarray(x)
    y, backward = layer.forward(dev(x))
    dy = rng.standard_normal(y.shape)
    for grad in layer.grads.values():
        grad[...] = 0
    dx = backward(dev(dy))
    assert dx is None or dx.shape == x.shape

    def energy() -> float:
        return float((host(layer.forward(dev(x))[0]) * dy).sum())

    def compare(values, gradient, what: str) -> None:
        direction = rng.standard_normal(values.shape)
        kept = values.copy()
        energies = []
        for sign in (1, -1):
            yield kept + sign * step * direction
            energies.append(energy())
        yield kept
        numeric = (energies[0] - energies[1]) / (2 * step)
        analytic = float((gradient * direction).sum())
        scale = np.linalg.norm(gradient) * np.linalg.norm(direction)
        assert abs(analytic - numeric) <= rtol * max(scale, 1e-3), f"{layer}: {what}: {analytic} by backward, {numeric} measured"

    for key, value in layer.params.items():
        for values in compare(host(value).copy(), host(layer.grads[key]), key):
            layer.params[key] = values
    if dx is not None:
        for x in compare(x, host(dx), "input"):
            pass
