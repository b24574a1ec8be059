"""The handling of steps whose loss, gradient or parameters are not finite."""

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..backend import Array, to_numpy, xp
from ..backend.shared.data import looking_waits
from ..layers import Layer
from ..layers.base import several
from .score import NotFiniteError, Sums
from .steps import Group

ACTIONS = "stop", "skip", "ignore"


class Guard:
    """Stops a run at a step that is not finite, or skips the step; the model keeps its last finite parameters.

    The gradient is checked before the update, the loss when it is summed. On a device each check waits for the device:
    "stop" therefore checks loss and parameters only after each epoch, and restores the parameters from before it.
    """

    def __init__(self, action: str, model: Layer, buffers: list[str], sums: Sums) -> None:
        if action not in ACTIONS:
            raise ValueError(f"fit: expected on_nonfinite to be {', '.join(ACTIONS)}, got {action!r}")
        self._action, self._model, self._names, self._sums = action, model, buffers, sums
        self._waits = looking_waits()
        self._looks = action == "skip" or (action == "stop" and not self._waits)
        self._skipped: list[str] = []
        self._grads: Array | None = None  # the last gradient that was checked, and its halves
        self._halves: tuple[Array, Array]

    def named(self, where: str) -> str:
        """The name of an epoch's sums in errors; empty if values that are not finite are ignored."""
        return "" if self._action == "ignore" else where

    def check(self, grads: Array) -> None:
        """Raise NotFiniteError if an update by this gradient would make the parameters NaN or infinite."""
        if not self._looks:
            return
        if self._waits and not np.isfinite(to_numpy(self._sums.vector[:1])).all():
            raise self._sums.diverged()
        if grads is not self._grads:
            half = (grads.size + 1) // 2
            self._grads, self._halves = grads, (grads[:half], grads[-half:])
        product = self._halves[0].dot(self._halves[1])  # faster than isfinite; but finite elements may overflow it
        finite = math.isfinite(to_numpy(product) if self._waits else product)
        if not finite and not bool(xp.isfinite(grads).all()):
            where = f"step {self._sums.steps + 1} of {self._sums.where}"
            raise NotFiniteError(f"fit: the gradient is not finite in {where}: a lower learning rate may help")

    def watched(self, step: Callable[[Group], list[Array]]) -> Callable[[Group], list[Array]]:
        """The step, which leaves the model unchanged if it is not finite."""

        kept = self._looks and self._names

        def run(group: Group) -> list[Array]:
            before = [buffer.copy() for buffer in self._buffers()] if kept else []
            sums = self._sums.vector.copy() if self._action == "skip" else None
            try:
                return step(group)
            except NotFiniteError as error:
                error = NotFiniteError(f"{error}; {self._culprit(group)}")
                for buffer, value in zip(self._buffers(), before, strict=True):
                    buffer[...] = value
                self._model.zero_grad()
                if sums is None:
                    raise error from None
                sums[3] += 1  # counts the skipped step
                self._sums.vector[...] = sums
                self._skipped.append(str(error))
                return [batch.infer(self._model) for batch in group]

        return step if self._action == "ignore" else run

    @contextmanager
    def epoch(self) -> Iterator[list[Array]]:
        """Run an epoch's steps in this block; an array that is not finite at its end is restored."""
        arrays = self._arrays()
        kept = [array.copy() for array in arrays] if self._action == "stop" else []
        try:
            yield arrays
        except NotFiniteError:
            for array, value in zip(self._arrays(), kept, strict=False):
                if not bool(xp.isfinite(array).all()):
                    array[...] = value
            raise
        if self._skipped:
            warnings.warn(f"{len(self._skipped)} skipped, the first: {self._skipped[0]}", RuntimeWarning, stacklevel=4)
            self._skipped = []

    def _arrays(self) -> list[Array]:
        return [self._model.flat_params, *self._buffers()]

    def _buffers(self) -> list[Array]:
        return [self._model.buffers[name] for name in self._names]

    def _culprit(self, group: Group) -> str:
        """The origin of the fault: the first output that is not finite, or else the last such gradient, or the loss."""
        leaves = list(self._model.leaves())
        found: list[str] = []

        def watched(name: str, leaf: Layer, forward: Callable[..., Any]) -> Callable[..., Any]:
            def watch(*given: Any, **options: Any) -> Any:
                result = forward(*given, **options)
                y = result[0]
                if not all(bool(xp.isfinite(one).all()) for one in several(y)):
                    found.append(f"the output of layer {name or type(leaf).__name__}, {leaf}")
                return result

            return watch

        gradients = [f"the gradient of layer {name}, {leaf}" for name, leaf in leaves if not _finite(leaf)]
        try:
            for name, leaf in leaves:
                vars(leaf)["forward"] = watched(name, leaf, leaf.forward)
            with np.errstate(all="ignore"):
                for batch in group:
                    batch.infer(self._model)
        finally:
            for _, leaf in leaves:
                vars(leaf).pop("forward", None)
        return f"first in {(*found[:1], *gradients[::-1], 'the loss')[0]}"


def _finite(layer: Layer) -> bool:
    return all(bool(xp.isfinite(grad).all()) for grad in layer.grads.values())
