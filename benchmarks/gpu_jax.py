"""JAX on a GPU: the whole step under one jit, as on a CPU, but not waited for."""

from typing import Any

import jax
import numpy as np
from contenders import jax_
from gpu_contenders import epoch_batches
from nets import Batches, Net, Task, Weights


class Training(jax_.Training):
    """Steps on batches that lie on the device."""

    def step(self) -> None:
        self.feed(*next(self.next))

    def feed(self, x: Any, y: Any) -> None:
        """A step on this batch."""
        self.params, self.state, self.value = self.compiled(self.params, self.state, x, y)

    def finish(self) -> None:
        """Wait for the device."""
        jax.block_until_ready((self.params, self.value))

    def epoch(self, x: np.ndarray, y: np.ndarray, batch: int, on_device: bool) -> None:
        """Full batches in random order."""
        rng, x = np.random.default_rng(0), x.transpose(0, 2, 3, 1)
        if on_device:
            self._data = self._data or (jax.device_put(x), jax.device_put(y))
            order = jax.device_put(rng.permutation(len(x)))
            for start in range(0, len(x) - batch + 1, batch):
                part = order[start : start + batch]
                self.feed(self._data[0][part], self._data[1][part])
        else:
            ahead = None  # device_put returns before its copy is made: the next batch travels meanwhile
            for part in epoch_batches(len(x), batch, rng):
                ahead, now = jax.device_put((x[part], y[part])), ahead
                if now is not None:
                    self.feed(*now)
            if ahead is not None:
                self.feed(*ahead)
        self.finish()

    _data: tuple[Any, Any] | None = None


class Inference(Training):
    """The loss of a batch."""

    def _compiled(self) -> Any:
        return jax.jit(self.value_of)

    def feed(self, x: Any, y: Any) -> None:
        self.value = self.compiled(self.params, x, y)


def build(contender: str, net: Net, task: Task, weights: Weights, batches: Batches) -> Training:
    if jax.default_backend() != "gpu":
        raise RuntimeError("jax has no GPU: pip install jax[cuda13]")
    variant = jax_.variants(net, task)[0]
    return (Inference if task == "inference" else Training)(net, task, weights, batches, variant)
