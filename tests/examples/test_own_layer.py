"""The example's layer of one's own."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from border import dev, host, learns

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_layer.py"


@pytest.fixture
def example():
    return runpy.run_path(str(EXAMPLE))


def test_its_gradients_pass_alone_and_in_a_network(example):
    assert example["check"](example["Swish"](4), 4).ok
    assert example["check"](example["build"](), 64).ok


def test_computes_swish(example, rng):
    z, layer = rng.standard_normal((5, 3)), example["Swish"](3, dtype="float64")
    layer.params["beta"] = np.array([0, 1, 2])
    np.testing.assert_allclose(host(layer(dev(z))), z / (1 + np.exp(-z * [0, 1, 2])), rtol=1e-13, atol=1e-15)


@learns
def test_learns_the_digits_and_its_slopes(example):
    model = example["build"]()
    # 0.1 would be guessing; 0.975 after the example's twenty epochs
    assert example["train"](model, epochs=5) > 0.85
    assert abs(host(model.params["1.beta"]) - 1).max() > 0.05
