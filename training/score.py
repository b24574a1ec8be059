"""Loss and accuracy over a data set, summed batch by batch, and the check that loss and model are finite."""

import math
import time
from collections.abc import Mapping
from numbers import Real
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from ..backend import ALONE, Array, Ranks, to_numpy, xp
from ..backend.shared.data import accumulate
from ..layers import Layer

_SUMS = "loss", "accuracy", "weight", "steps", "faults"


class _Means(NamedTuple):
    loss: float
    accuracy: float | None


class Score(_Means):
    """Means over a data set; accuracy is None if the loss is not for classification.

    Attributes:
        metrics: the values of the requested metrics, by name.

    >>> Score(loss=0.5, accuracy=0.9).accuracy
    0.9
    """

    metrics: Mapping[str, Any] = MappingProxyType({})

    def row(self, prefix: str = "") -> dict[str, float]:
        """The columns of a history: loss, accuracy if there is one, and the metrics that are single numbers."""
        return {
            f"{prefix}{key}": float(value)
            for key, value in {**self._asdict(), **self.metrics}.items()
            if isinstance(value, Real | np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0)
        }


class NotFiniteError(FloatingPointError):
    """A step's loss, gradient or parameters are NaN or infinite."""


class Sums:
    """Loss and accuracy, weighted by the batches' weights, summed in float64 at a fixed address on the device.

    Attributes:
        samples, steps: the numbers of samples and steps in the sums.
        lr, start: the rate of an epoch's first step, and the epoch's start by ``time.perf_counter``.
        where: the sums' name in errors, such as "epoch 3"; if it is empty, a loss may be NaN or infinite.
    """

    def __init__(self, begun: Mapping[str, float] = MappingProxyType({}), ranks: Ranks = ALONE) -> None:
        """Continue the sums of an unfinished epoch, as :meth:`state` returned them.

        Each of several ranks adds its own results; :meth:`score` covers all ranks.
        """
        self._ranks = ranks
        self.samples, self.steps = int(begun.get("samples", 0)), int(begun.get("steps", 0))
        self.lr, self.start = begun.get("lr", 0.0), time.perf_counter() - begun.get("seconds", 0.0)
        self.where = ""
        self._sums = xp.zeros(len(_SUMS), dtype="float64")
        for i, name in enumerate(_SUMS):
            self._sums[i] = begun.get(name, 0.0)
        self._scored = "accuracy" in begun

    @property
    def vector(self) -> Array:
        """All sums; within a step, the last element is free for other use."""
        return self._sums

    def begin(self, lr: float, where: str) -> None:
        """Begin an epoch, unless it is a resumed one."""
        self.where = where
        if not self.steps:
            self.lr, self.start = lr, time.perf_counter()

    def add(self, weight: Any, loss: Array, correct: Array | None) -> None:
        """Add a step's mean loss over labels or samples whose weights sum to ``weight``, and its correct outputs.

        Raises:
            FloatingPointError: the loss is not finite; on a device :meth:`score` raises it.
        """
        self._scored |= correct is not None
        self._add(weight * loss, 0 if correct is None else correct, weight)

    def _add(self, *sums: Any) -> None:
        if not accumulate(self._sums, *sums) and self.where and self._ranks.size == 1:
            raise self.diverged()

    def score(self, *arrays: Array) -> Score:
        """The means.

        Raises:
            FloatingPointError: a step's loss, or one of the arrays after the last step, is not finite.
        """
        for array in arrays:
            self._sums[-1:] += ~xp.isfinite(array).all()
        sums = to_numpy(self._sums)
        if self._ranks.size > 1:
            every = np.array(self._ranks.gather(sums))
            sums = every.sum(0)
            sums[3] = every[:, 3].min()  # steps before the first loss that is not finite
        if self.where and not (np.isfinite(sums[0]) and sums[-1] == 0):
            raise self.diverged(sums)
        return self.means(sums)

    def means(self, sums: np.ndarray | None = None) -> Score:
        """The means so far, from ``sums`` if they are on the host already; NaN if the weights sum to 0."""
        loss, accuracy, weight, _, _ = to_numpy(self._sums) if sums is None else sums
        weight = weight or math.nan
        return Score(float(loss / weight), float(accuracy / weight) if self._scored else None)

    def diverged(self, sums: np.ndarray | None = None) -> "NotFiniteError":
        """The error that says which value is not finite, and in which step."""
        loss, _, _, steps, _ = to_numpy(self._sums) if sums is None else sums
        what = f"the loss is {loss} in step {steps + 1:.0f}"
        if np.isfinite(loss):
            what = f"the model holds NaN or infinity after step {steps:.0f}"
        return NotFiniteError(f"fit: {what} of {self.where}: a lower learning rate or max_norm may help")

    def state(self) -> dict[str, float]:
        """The state from which an unfinished epoch can be resumed."""
        loss, accuracy, weight, _, _ = map(float, to_numpy(self._sums))
        seconds = time.perf_counter() - self.start
        state = {"samples": self.samples, "steps": self.steps, "loss": loss, "weight": weight, "lr": self.lr}
        return state | {"seconds": seconds} | ({"accuracy": accuracy} if self._scored else {})

    def take(self, step: "Sums") -> None:
        """Add a single step's sums, which are then reset. Errors as for :meth:`add`."""
        self._scored |= step._scored
        sums = [step._sums[i] for i in range(3)]
        try:
            self._add(*sums)
        finally:
            step.reset()

    def reset(self, where: str = "") -> None:
        self.where = where
        self.samples = self.steps = 0
        self._sums.fill(0)


def names_not_finite(model: Layer) -> list[str]:
    """The names of the parameters and buffers that hold NaN or infinity, found with a single wait for the device."""
    arrays = {**model.params, **model.buffers}
    finite = xp.empty(len(arrays), dtype="bool")
    for index, array in enumerate(arrays.values()):
        finite[index] = xp.isfinite(array).all()
    return [name for name, fine in zip(arrays, to_numpy(finite), strict=True) if not fine]
