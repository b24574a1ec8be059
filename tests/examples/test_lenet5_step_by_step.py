"""LeNet-5 in the open."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from border import dev, host, learns

import xpnn as nn

EXAMPLE = Path(__file__).parents[2] / "examples" / "lenet5_step_by_step.py"


@pytest.fixture
def example():
    return runpy.run_path(str(EXAMPLE))


def test_layer_by_layer_it_is_the_networks_own_step(example, capsys, rng):
    x, y = rng.random((8, 1, 28, 28)).astype("float32"), rng.integers(0, 10, 8)
    models = nn.LeNet5(rng=0), nn.LeNet5(rng=0)
    loss = example["one_step"](models[0], x, y)
    logits, backward = models[1].forward(dev(x, "float32"))
    value, loss_backward = nn.SoftmaxCrossEntropy().forward(logits, dev(y))
    backward(loss_backward())
    assert loss == pytest.approx(float(value), rel=1e-6)
    np.testing.assert_allclose(*(host(model.flat_grads) for model in models), rtol=1e-4, atol=1e-6)
    shown = capsys.readouterr().out
    assert "0 Conv2D     -> (8, 6, 28, 28)\n" in shown
    assert "6 Conv2D     -> (8, 16, 5, 5)      dE/dW (120, 16, 5, 5), norm " in shown


@learns
def test_learns_the_digits(example, capsys):
    # 0.1 would be guessing; this seed reaches 0.85 after one epoch, 0.989 after the example's ten
    assert example["main"](epochs=1) > 0.7
    assert "plan of LeNet5 on " in capsys.readouterr().out
