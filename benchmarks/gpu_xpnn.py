"""xpnn on a GPU: as README shows a training step, captured or not."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from contenders import xpnn_
from gpu_contenders import epoch_batches
from nets import Batches, Net, Task, Weights

import xpnn as nn
from xpnn.backend import captured, prefetch


class Training(xpnn_.Training):
    """Steps on batches that lie on the device."""

    captured = True

    def start(self) -> None:
        super().start()
        self.run = captured(self.compute) if self.captured else self.compute

    def compute(self, x: Any, y: Any, *scalars: Any) -> Any:
        """What the device does in a step."""
        logits, backward = self.model.forward(x, needs_dx=False)
        value, loss_backward = self.criterion.forward(logits, y)
        backward(loss_backward())
        self.optimizer.update(self.model, *scalars)
        return value

    def step(self) -> None:
        self.feed(*next(self.next))

    def feed(self, x: Any, y: Any) -> None:
        """A step on this batch."""
        self.value = self.run(x, y, *self.optimizer.scalars())
        self.optimizer.steps += 1

    def finish(self) -> None:
        """Wait for the device."""
        nn.synchronize()

    def epoch(self, x: np.ndarray, y: np.ndarray, batch: int, on_device: bool) -> None:
        """Full batches in random order."""
        rng = np.random.default_rng(0)
        data = self._chosen(x, y, batch, rng) if on_device else prefetch((x, y), epoch_batches(len(x), batch, rng))
        for pair in data:
            self.feed(*pair)
        self.finish()

    _data: tuple[Any, Any] | None = None

    def _chosen(self, x: np.ndarray, y: np.ndarray, batch: int, rng: np.random.Generator) -> Iterator[tuple[Any, Any]]:
        self._data = self._data or (nn.asarray(x), nn.asarray(y))
        order = nn.asarray(rng.permutation(len(x)))
        for start in range(0, len(x) - batch + 1, batch):
            part = order[start : start + batch]
            yield self._data[0][part], self._data[1][part]


class Inference(Training):
    """The loss of a batch."""

    def compute(self, x: Any, y: Any, *scalars: Any) -> Any:
        return self.criterion(self.model(x), y)

    def feed(self, x: Any, y: Any) -> None:
        self.value = self.run(x, y)


def build(contender: str, net: Net, task: Task, weights: Weights, batches: Batches) -> Training:
    run = (Inference if task == "inference" else Training)(net, task, weights, batches)
    run.captured = contender == "xpnn"
    return run
