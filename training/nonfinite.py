"""What becomes of a step whose loss, gradient or parameters are not finite."""

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
    """Stops a run at, or lets it skip, a step that is not finite; the model keeps its last finite parameters.

    The gradient is looked at before the update, the loss when it is summed. On a device looking would wait for it: with
    "stop" the loss and the parameters are looked at after each epoch, and the parameters are then those of before it.
    """

    def __init__(self, action: str, model: Layer, buffers: list[str], sums: Sums) -> None:
        if action not in ACTIONS:
            raise ValueError(f"fit: expected on_nonfinite to be {', '.join(ACTIONS)}, got {action!r}")
        self._action, self._model, self._names, self._sums = action, model, buffers, sums
        self._waits = looking_waits()
        self._looks = action == "skip" or (action == "stop" and not self._waits)
        self._skipped: list[str] = []
        self._grads: Array | None = None  # that the last check was of, and its halves
        self._halves: tuple[Array, Array]

    def named(self, where: str) -> str:
        """What errors call an epoch's sums; nothing, where values that are not finite are none."""
        return "" if self._action == "ignore" else where

    def check(self, grads: Array) -> None:
        """Before an update by this gradient; NotFiniteError if it would make the parameters NaN or infinite."""
        if not self._looks:
            return
        if self._waits and not np.isfinite(to_numpy(self._sums.vector[:1])).all():
            raise self._sums.diverged()
        if grads is not self._grads:
            half = (grads.size + 1) // 2
            self._grads, self._halves = grads, (grads[:half], grads[-half:])
        product = self._halves[0].dot(self._halves[1])  # sooner than a look at each element; it may overflow alone
        finite = math.isfinite(to_numpy(product) if self._waits else product)
        if not finite and not bool(xp.isfinite(grads).all()):
            where = f"step {self._sums.steps + 1} of {self._sums.where}"
            raise NotFiniteError(f"fit: the gradient is not finite in {where}: a lower learning rate may help")

    def watched(self, step: Callable[[Group], list[Array]]) -> Callable[[Group], list[Array]]:
        """The step, after which the model is as before if the step was not finite."""

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
                sums[3] += 1  # the step is past
                self._sums.vector[...] = sums
                self._skipped.append(str(error))
                return [batch.infer(self._model) for batch in group]

        return step if self._action == "ignore" else run

    @contextmanager
    def epoch(self) -> Iterator[list[Array]]:
        """An epoch's steps; where one of these arrays is not finite at its end, the model gets back those of before."""
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
        """Which layer is to blame: of the outputs the first one, of the gradients the last one that is not finite."""
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
        return f"at first {(*found[:1], *gradients[::-1], 'the loss')[0]}"


def _finite(layer: Layer) -> bool:
    return all(bool(xp.isfinite(grad).all()) for grad in layer.grads.values())
