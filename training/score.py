"""Loss and accuracy over a data set, batch after batch."""

import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from ..backend import Array, to_numpy, xp


class Score(NamedTuple):
    """Means over a data set; accuracy is None if the loss is not for classification.

    >>> Score(loss=0.5, accuracy=0.9).accuracy
    0.9
    """

    loss: float
    accuracy: float | None


class Sums:
    """Loss and accuracy, weighted by batch size, summed in float64 at a fixed address on the device.

    Attributes:
        samples, steps: how many were summed.
        lr, start: of an epoch's first step, and by ``time.perf_counter``.
    """

    def __init__(self, begun: Mapping[str, float] = MappingProxyType({})) -> None:
        """Those of the epoch that was begun, as :meth:`state` gave them."""
        self.samples, self.steps = int(begun.get("samples", 0)), int(begun.get("steps", 0))
        self.lr, self.start = begun.get("lr", 0.0), time.perf_counter() - begun.get("seconds", 0.0)
        self._sums = xp.asarray([begun.get("loss", 0.0), begun.get("accuracy", 0.0)], dtype="float64")
        self._loss, self._accuracy = self._sums[:1], self._sums[1:]
        self._scored = "accuracy" in begun

    def begin(self, lr: float) -> None:
        """An epoch, unless it was begun before."""
        if not self.steps:
            self.lr, self.start = lr, time.perf_counter()

    def add(self, samples: int, loss: Array, accuracy: Array | None) -> None:
        self._loss += samples * loss
        if accuracy is not None:
            self._accuracy += samples * accuracy
            self._scored = True

    def score(self) -> Score:
        """The means over the samples."""
        loss, accuracy = to_numpy(self._sums) / self.samples
        return Score(float(loss), float(accuracy) if self._scored else None)

    def state(self) -> dict[str, float]:
        """What an unfinished epoch goes on with."""
        loss, accuracy = to_numpy(self._sums)
        seconds = time.perf_counter() - self.start
        state = {"samples": self.samples, "steps": self.steps, "loss": float(loss), "lr": self.lr, "seconds": seconds}
        return state | ({"accuracy": float(accuracy)} if self._scored else {})

    def reset(self) -> None:
        self.samples = self.steps = 0
        self._sums.fill(0)
