"""How a network runs: which layers are swapped or fused, which forms compute them, in how many slices of the batch."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property

from ..backend import Array, accelerated, batch_slices, describe, runs_by, xp
from ..layers import Backward, Composite, Dense, Layer, MaxPool2D, ReLU
from ..layers.activations import Activation
from ..layers.dense import ActivatedDense
from ..layers.lengths import Lengths
from .table import aligned


@accelerated
def in_slices(
    run: Callable[..., tuple[Array, Backward]], layers: Sequence[Layer], x: Array, slices: list[slice], needs_dx: bool
) -> tuple[Array, Backward]:
    """``run(layers, x, needs_dx)`` on each slice of a batch: outputs are concatenated, gradients summed.

    If no layer couples samples, the result is that of the whole batch.
    """
    outputs, steps = zip(*(run(layers, x[s], needs_dx) for s in slices), strict=True)

    def backward(dy: Array) -> Array | None:
        dx = [step(dy[s]) for step, s in zip(steps, slices, strict=True)]
        return None if dx[0] is None else xp.concatenate(dx)

    return xp.concatenate(outputs), backward


class Plan:
    """How the layers of a Sequential run.

    - A ReLU before a max-pooling runs after it, on fewer elements. Values and gradients are the same, since
      max(max(x, 0), max(y, 0)) = max(max(x, y), 0).
    - A Dense and the activation after it are fused if there is a form of ``dense_activated``.
    - A batch of images is divided into slices that run in parallel, if the forms allow it and no layer couples samples.

    Under ``NN_PLAIN=1`` the layers run unchanged.

    Attributes:
        layers: the layers when the plan was made.
        named: the layers as they run, each with its index; "9+10" for two that are fused.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = list(layers)
        self.named = _arranged([(str(index), layer) for index, layer in enumerate(layers)])
        self._steps = [layer for _, layer in self.named]

    def run(
        self, run: Callable[..., tuple[Array, Backward]], x: Array, needs_dx: bool, lengths: Lengths | None = None
    ) -> tuple[Array, Backward]:
        """The output, and the function that differentiates it."""
        slices = self.slices(x.shape) if isinstance(x, xp.ndarray) and lengths is None else []
        if len(slices) < 2:
            return run(self._steps, x, needs_dx, lengths)
        return in_slices(run, self._steps, x, slices, needs_dx)

    def slices(self, shape: tuple[int, ...]) -> list[slice]:
        """The slices of a batch of this shape."""
        slices = batch_slices(shape[0], math.prod(shape)) if len(shape) == 4 else []
        divisible = len(slices) > 1 and all(layer.separable for layer in self.layers) and self._has_twins
        return slices if divisible else [slice(None)]

    @cached_property  # lazy: each pass makes plans of the twins, which are not divided again and never need this
    def _has_twins(self) -> bool:
        """Whether :meth:`Layer.twin` replaces every layer with parameters, so that no gradient is shared."""
        own = {id(leaf) for layer in self.layers for _, leaf in layer.leaves() if leaf.params}
        twins = (layer.twin(lambda leaf: leaf.grads) for layer in self.layers)
        return own.isdisjoint(id(leaf) for twin in twins for _, leaf in twin.leaves())

    def told(
        self, model: Layer, named: Iterable[tuple[str, Layer]], batch_size: int, shape: tuple[int, ...] | None
    ) -> str:
        """The title, and the model's layers as they run, each with its form or "equation"."""
        title = f"plan of {type(model).__name__} on {describe()}"
        if shape is not None:
            title += f", batch of {batch_size} in slices: {len(self.slices((batch_size, *shape)))}"
        rows = [("layer", "runs by"), *(line for name, layer in named for line in _lines(name, layer))]
        return f"{title}\n{aligned(rows)}"


def _lines(name: str, layer: Layer) -> Iterator[tuple[str, str]]:
    if not isinstance(layer, Composite):
        yield f"{name} {layer}", f"{layer.equation}: {runs_by(layer.equation)}" if layer.equation else "equation"
        return
    yield f"{name} {type(layer).__name__}", ""
    planned = getattr(layer, "planned", None)
    for inner, child in layer.children() if planned is None else planned().named:
        yield from (("  " + text, form) for text, form in _lines(inner, child))


def _arranged(named: list[tuple[str, Layer]]) -> list[tuple[str, Layer]]:
    """The layers in the order in which they run, fused where possible."""
    swaps, joins = (runs_by(name) != "equation" for name in ("max_pool", "dense_activated"))
    for i in range(len(named) - 1 if swaps else 0):
        if type(named[i][1]) is ReLU and type(named[i + 1][1]) is MaxPool2D:
            named[i], named[i + 1] = named[i + 1], named[i]
    for i in range(len(named) - 1 if joins else 0, 0, -1):
        (first, dense), (second, f) = named[i - 1 : i + 1]
        own = type(f).forward is Activation.forward and type(f).__call__ is Activation.__call__
        if type(dense) is Dense and isinstance(f, Activation) and own:
            named[i - 1 : i + 1] = [(f"{first}+{second}", ActivatedDense(dense, f))]
    return named
