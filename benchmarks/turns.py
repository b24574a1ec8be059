"""What taking turns costs, where nobody else multiplies: ``OPENBLAS_NUM_THREADS=1 python benchmarks/turns.py``.

The same training step with each product in its turn (docs/correctness.md, "The same bits") and with the products alone,
by turns: by which share the first takes longer, of the medians and of the fastest twentieth.
"""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from nonfinite import costs, seconds, steps_of

import xpnn as nn
from xpnn.backend.cpu.numpy_blas import in_turn

USERS = [module for name, module in sys.modules.items() if name.startswith("xpnn.") and hasattr(module, "in_turn")]


def alone(multiply: Callable[..., Any], *args: Any) -> Any:
    return multiply(*args)


def seconds_by(multiplied: Callable[..., Any], step: Callable[[], object]) -> float:
    """Of a step whose products are made by this function."""
    for module in USERS:
        vars(module)["in_turn"] = multiplied
    return seconds(step)


def pair(model: nn.Layer, shape: tuple[int, ...]) -> list[Callable[[], float]]:
    step, _ = steps_of(model, shape)
    return [partial(seconds_by, multiplied, step) for multiplied in (in_turn, alone)]


if __name__ == "__main__":
    print(costs(pair))
