"""What tests of training share."""

import numpy as np
import pytest
from border import ONCE, host

import xpnn as nn

collect_ignore = [] if ONCE else ["test_alike.py"]
"""What ranks tell each other is the same in every run."""


@pytest.fixture
def blobs(rng):
    """Three well separated clouds in the plane, float32, and their labels."""
    y = rng.integers(0, 3, 90)
    centres = np.array([[0, 3], [3, -2], [-3, -2]])
    return (centres[y] + 0.5 * rng.standard_normal((90, 2))).astype(np.float32), y


@pytest.fixture
def run():
    """On one parameter p with gradient g = p: where each of an optimiser's steps takes it."""

    def run(optimizer, steps=4):
        layer = nn.Dense(1, 1, dtype="float64")
        layer.params["W"], layer.params["b"] = [[2.0]], [0.0]
        path = []
        for _ in range(steps):
            layer.grads["W"] = layer.params["W"]
            optimizer.step(layer)
            path.append(float(host(layer.params["W"])[0, 0]))
        assert not host(layer.flat_grads).any()
        return path

    return run
