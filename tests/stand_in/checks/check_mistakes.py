"""Mistakes of the kind that NumPy never notices: each planted in a network that then trains, and each caught.

Run on NumPy the same file shows that there every one of them passes.
"""

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import xpnn as nn
from xpnn import xp

WIDTH = 6


class Planted(nn.Layer):
    """Passes its input on, after doing something to it that is wrong."""

    def __init__(self, mistake: Callable[[Any], Any]) -> None:
        super().__init__()
        self.mistake = mistake

    def forward(self, x, needs_dx=True):
        return self.mistake(x), lambda dy: dy


class PlantedLoss(nn.HalfSquaredError):
    def __init__(self, mistake: Callable[[Any], Any]) -> None:
        self.mistake = mistake

    def forward(self, outputs, targets, weights=None):
        value, backward = super().forward(outputs, targets, weights)
        return self.mistake(value), backward


class PlantedOptimizer(nn.SGD):
    def _update(self, params, grads, scalars, *state):
        if np.sqrt(float((grads * grads).sum())) > 1e3:  # clipping by a norm that is asked back at every step
            grads *= 1e-3
        super()._update(params, grads, scalars, *state)


def assigned(x, key, value):
    x = x.copy()
    x[key] = value
    return x


def exponential_without_warnings(x):
    with xp.errstate(over="ignore"):
        return xp.exp(x)


def made_writeable(x):
    x = x.copy()
    x.setflags(write=True)
    return x


ONES = np.ones(WIDTH, np.float32)
RAISED: dict[str, tuple[Callable[[Any], Any], type[Exception], str]] = {
    "NumPy array in an operator": (lambda x: x * ONES, TypeError, "multiply: expected a device array"),
    "NumPy array on the operator's left": (lambda x: ONES + x, TypeError, "add: expected a device array"),
    "NumPy function of a device array": (lambda x: np.exp(x), TypeError, "does not support ufuncs"),
    "NumPy array in an xp function": (lambda x: xp.maximum(x, 0 * ONES), TypeError, "maximum: expected a device array"),
    "NumPy index array": (lambda x: x[:, np.arange(WIDTH)[::-1]], TypeError, "an index of type numpy.ndarray"),
    "list as an index": (lambda x: x[:, [*range(WIDTH)]], TypeError, "an index of type list"),
    "NumPy array assigned": (lambda x: assigned(x, 0, ONES), TypeError, "assignment: expected a device array"),
    "conversion to NumPy": (lambda x: xp.asarray(np.asarray(x)), TypeError, "Implicit conversion to a NumPy array"),
    "where= of a ufunc": (lambda x: xp.exp(x, where=x < 0, out=xp.zeros_like(x)), TypeError, "where"),
    "clip by keywords": (lambda x: xp.clip(x, min=-1, max=1), TypeError, "a_min"),
    "initial= of a reduction": (lambda x: x - x.max(1, keepdims=True, initial=0), TypeError, "initial"),
    "function that CuPy has not": (lambda x: xp.block([x]), AttributeError, "block"),
    "context that CuPy has not": (exponential_without_warnings, AttributeError, "errstate"),
    "method that CuPy has not": (made_writeable, AttributeError, "setflags"),
    "reduction that CuPy has not": (lambda x: x - xp.maximum.reduce(x), NotImplementedError, "maximum.reduce"),
    "device value as a length": (lambda x: x[:, : (x < 1e9).sum(1).max()], TypeError, "slice indices"),
    "one place assigned twice": (
        lambda x: assigned(x, xp.zeros(2, dtype=int), x[:2]),
        ValueError,
        "undefined on a device",
    ),
}
COUNTED = {
    "float() in a step": lambda x: x * float(abs(x).max()),
    "branch on a value": lambda x: x if (x < 1e9).all() else 0 * x,
    "value in a message": lambda x: x if f"{x.sum()}" else 0 * x,
    "item()": lambda x: x + x.sum().item(),
    "constant uploaded at every step": lambda x: x * xp.asarray(ONES),
    "masked assignment": lambda x: assigned(x, x < 0, 0.0),
    "round trip over the host": lambda x: nn.asarray(np.exp(-nn.to_numpy(x))),
    "many small arrays joined": lambda x: xp.concatenate([x[:, :1]] * 9, axis=1)[:, :WIDTH],
}


def train(*layers: nn.Layer, **options: Any) -> None:
    """Five steps in two epochs, with the border watched where there is one."""
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Dense(WIDTH, WIDTH, rng=0), *layers, nn.Dense(WIDTH, 2, rng=1))
    x, y = rng.standard_normal((20, WIDTH)).astype(np.float32), rng.standard_normal((20, 2)).astype(np.float32)
    if xp is np:
        nn.fit(model, x, y, epochs=2, batch_size=8, verbose=False, **options)
    else:
        from stand_in.checks.check_copies import assert_copies_only_batches

        assert_copies_only_batches(model, x, y, **options)


unnoticed = contextlib.nullcontext()


def counted() -> Any:
    return unnoticed if xp is np else pytest.raises(AssertionError, match=r"check_mistakes\.py:\d+")


def test_right_network_passes():
    train(Planted(lambda x: x))


@pytest.mark.parametrize("mistake", RAISED)
def test_raises(mistake):
    function, error, message = RAISED[mistake]
    with unnoticed if xp is np else pytest.raises(error, match=message):
        train(Planted(function))


@pytest.mark.parametrize("mistake", COUNTED)
def test_is_counted(mistake):
    """And the failed test names the line that asked for the copy."""
    with counted():
        train(Planted(COUNTED[mistake]))


@pytest.mark.parametrize("mistake", [float, lambda value: np.float32(value.item()), lambda value: nn.to_numpy(value)])
def test_loss_on_the_host_is_counted(mistake):
    with counted():
        train(loss=PlantedLoss(mistake))


def test_norm_asked_back_at_every_step_is_counted():
    with counted():
        train(optimizer=PlantedOptimizer(0.01))
