"""Learning rates that change over the steps; any function from the step's index (from 0) to a rate is one."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

Schedule: TypeAlias = Callable[[int], float]


@dataclass(frozen=True)
class CosineDecay:
    """From ``lr`` down to 0 along half a cosine, after a linear warm-up::

        lr (step + 1) / warmup                                       if step < warmup
        lr/2 (1 + cos(pi (step - warmup) / (steps - warmup)))        up to ``steps``, then 0

    Args:
        lr: the highest rate.
        steps: the number of steps of the whole run.
        warmup: the number of steps of the linear rise.

    Source: Loshchilov, Hutter, "SGDR", 2017.

    >>> [round(CosineDecay(1.0, steps=4)(step), 2) for step in range(5)]
    [1.0, 0.85, 0.5, 0.15, 0.0]
    """

    lr: float
    steps: int
    warmup: int = 0

    def __post_init__(self) -> None:
        lr, steps, warmup = self.lr, self.steps, self.warmup
        if not 0 < lr < math.inf or steps < 1 or not 0 <= warmup < steps:
            raise ValueError(f"CosineDecay: expected lr > 0 and 0 <= warmup < steps, got {lr}, {warmup}, {steps}")

    def __call__(self, step: int) -> float:
        if step < self.warmup:
            return self.lr * (step + 1) / self.warmup
        progress = min(1.0, (step - self.warmup) / (self.steps - self.warmup))
        return 0.5 * self.lr * (1 + math.cos(math.pi * progress))


@dataclass(frozen=True)
class StepDecay:
    """The rate lr factor^floor(step / every), multiplied by ``factor`` after every ``every`` steps.

    Args:
        lr: the initial rate.
        every: steps between two changes.
        factor: of each change.

    >>> [StepDecay(1.0, every=2, factor=0.5)(step) for step in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    lr: float
    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        lr, every, factor = self.lr, self.every, self.factor
        if not 0 < lr < math.inf or every < 1 or not 0 < factor < math.inf:
            raise ValueError(f"StepDecay: expected lr > 0, every >= 1, factor > 0, got {lr}, {every}, {factor}")

    def __call__(self, step: int) -> float:
        return self.lr * self.factor ** (step // self.every)
