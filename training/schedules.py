"""Learning-rate schedules; any function from the step's index (from 0) to a rate is one."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from ..layers.settings import real

Schedule: TypeAlias = Callable[[int], float]
"""A function from a step's index (from 0) to its learning rate."""


@dataclass(frozen=True)
class CosineDecay:
    """From ``lr`` down to 0 along half a cosine, after a linear warm-up::

        lr (step + 1) / warmup                                       if step < warmup
        lr/2 (1 + cos(pi (step - warmup) / (steps - warmup)))        up to ``steps``, then 0

    Args:
        lr: the highest rate.
        steps: the number of steps of the whole run.
        warmup: the number of steps of the linear rise.

    Raises:
        ValueError: an argument is out of its range.

    Source: Loshchilov, Hutter, "SGDR", 2017.

    >>> [round(CosineDecay(1.0, steps=4)(step), 2) for step in range(5)]
    [1.0, 0.85, 0.5, 0.15, 0.0]
    """

    lr: float
    steps: int
    warmup: int = 0

    def __post_init__(self) -> None:
        lr, steps, warmup = self.lr, self.steps, self.warmup
        if not (0 < real(lr) < math.inf and real(steps) >= 1 and 0 <= real(warmup) < steps):
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
        factor: multiplies the rate at each change.

    Raises:
        ValueError: an argument is out of its range.

    >>> [StepDecay(1.0, every=2, factor=0.5)(step) for step in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """

    lr: float
    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        lr, every, factor = self.lr, self.every, self.factor
        if not (0 < real(lr) < math.inf and real(every) >= 1 and 0 < real(factor) < math.inf):
            raise ValueError(f"StepDecay: expected lr > 0, every >= 1, factor > 0, got {lr}, {every}, {factor}")

    def __call__(self, step: int) -> float:
        return self.lr * self.factor ** (step // self.every)


@dataclass(frozen=True)
class OneCycle:
    """Up to ``lr`` and down to nearly 0, both along half a cosine; values as PyTorch's ``OneCycleLR``::

        from lr / div_factor up to lr                           until step = pct_start steps - 1
        from lr down to lr / div_factor / final_div_factor      until step = steps - 1, then constant

    Args:
        lr: the highest rate.
        steps: the number of steps of the whole run.
        pct_start: the share of the steps in which the rate rises.
        div_factor: lr divided by the first rate.
        final_div_factor: the first rate divided by the last one.

    The momentum does not change.

    Raises:
        ValueError: an argument is out of its range.

    Source: Smith, Topin, "Super-convergence", 2018.

    >>> [round(OneCycle(1.0, steps=6, pct_start=0.5)(step), 2) for step in range(7)]
    [0.04, 0.52, 1.0, 0.75, 0.25, 0.0, 0.0]
    """

    lr: float
    steps: int
    pct_start: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4

    def __post_init__(self) -> None:
        steps = real(self.steps)
        if not (
            0 < real(self.lr) < math.inf
            and 0 < real(self.pct_start) * steps - 1 < steps - 1
            and all(real(factor) >= 1 for factor in (self.div_factor, self.final_div_factor))
        ):
            raise ValueError(f"OneCycle: expected lr > 0, 1 < pct_start steps < steps, factors >= 1, got {self}")

    def __call__(self, step: int) -> float:
        first, peak, last = self.lr / self.div_factor, self.pct_start * self.steps - 1, self.steps - 1
        if step <= peak:
            return _cosine(first, self.lr, step / peak)
        return _cosine(self.lr, first / self.final_div_factor, min(1.0, (step - peak) / (last - peak)))


def _cosine(start: float, end: float, progress: float) -> float:
    """From start to end along half a cosine."""
    return end + (start - end) / 2 * (1 + math.cos(math.pi * progress))


@dataclass(frozen=True)
class Warmup:
    """A linear rise to the first rate of a schedule, then the schedule from its beginning::

        schedule(0) (step + 1) / steps      if step < steps
        schedule(step - steps)              afterwards

    Args:
        schedule: any schedule, or a constant rate.
        steps: the number of steps of the rise.

    Raises:
        ValueError: an argument is out of its range.

    Source: Goyal et al., "Accurate, large minibatch SGD", 2017, section 2.2.

    >>> [Warmup(StepDecay(1.0, every=2, factor=0.5), steps=2)(step) for step in range(5)]
    [0.5, 1.0, 1.0, 1.0, 0.5]
    """

    schedule: float | Schedule
    steps: int

    def __post_init__(self) -> None:
        if not (real(self.steps) >= 1 and (callable(self.schedule) or 0 < real(self.schedule) < math.inf)):
            raise ValueError(f"Warmup: expected a schedule or lr > 0, and steps >= 1, got {self}")

    def __call__(self, step: int) -> float:
        rise = min(1.0, (step + 1) / self.steps)
        return rise * (self.schedule(max(0, step - self.steps)) if callable(self.schedule) else self.schedule)
