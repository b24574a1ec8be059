"""The base class of layers that are made of layers."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..backend import Params
from .base import Layer
from .parameters import Gradients, Parameters
from .tree import CACHES, layers_in


class Composite(Layer):
    """A layer made of other layers, its :meth:`children`. A subclass defines ``children`` and ``forward``.

    ``params``, ``grads`` and ``buffers`` hold the children's arrays under dotted paths. The arrays of a layer that
    occurs twice are listed once.

    >>> list(Residual(Dense(3, 3)).params)  # Residual is a Composite
    ['body.W', 'body.b']
    """

    def __init__(self) -> None:
        """Nothing to do: the parameters are the children's."""

    def children(self) -> Iterator[tuple[str, Layer]]:
        """(name, layer) for every layer that it is made of, in order."""
        raise NotImplementedError(f"{type(self).__name__}: children() must yield (name, layer) for each of its layers")

    @property
    def separable(self) -> bool:  # type: ignore[override]
        """Whether all children are separable. Override it if ``forward`` itself couples samples."""
        return all(child.separable for _, child in self.children())

    @property
    def takes_lengths(self) -> bool:  # type: ignore[override]
        """Whether a child takes lengths; if so, ``forward`` must too, and ask each child's ``with_lengths``."""
        return any(child.takes_lengths for _, child in self.children())

    @property
    def keeps_steps(self) -> bool:  # type: ignore[override]
        """Whether all children keep the steps."""
        return all(child.keeps_steps for _, child in self.children())

    def leaves(self) -> Iterator[tuple[str, Layer]]:
        seen: set[int] = set()
        for name, child in self.children():
            for path, leaf in child.leaves():
                if id(leaf) not in seen:
                    seen.add(id(leaf))
                    yield f"{name}.{path}" if path else name, leaf

    @property
    def dtype(self) -> np.dtype | None:
        return next((leaf.dtype for _, leaf in self.leaves() if leaf.params), None)

    @property
    def trainable(self) -> bool:
        """Whether any layer in it is trainable; setting it sets it on every layer."""
        return any(leaf.trainable for _, leaf in self.leaves())

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for _, leaf in self.leaves():
            leaf.trainable = value

    @property
    def learns(self) -> bool:
        return any(leaf.learns for _, leaf in self.leaves())

    @property
    def params(self) -> Parameters:  # type: ignore[override]
        """Every parameter by its dotted path."""
        return Parameters({f"{path}.{key}": v for path, leaf in self.leaves() for key, v in leaf.params.items()})

    @property
    def grads(self) -> Gradients:  # type: ignore[override]
        """Every gradient under its parameter's path."""
        return Gradients({f"{path}.{key}": v for path, leaf in self.leaves() for key, v in leaf.grads.items()})

    @property
    def buffers(self) -> Parameters:  # type: ignore[override]
        """Every buffer by its dotted path."""
        return Parameters({f"{path}.{key}": v for path, leaf in self.leaves() for key, v in leaf.buffers.items()})

    def twin(self, grads: Callable[[Layer], Params]) -> Layer:
        """A copy whose attributes hold the twins of its layers, also inside lists, tuples and dicts."""
        twin = copy.copy(self)
        vars(twin).clear()
        vars(twin).update((k, _twins_in(value, grads)) for k, value in vars(self).items() if k not in CACHES)
        return twin


def _twins_in(value: Any, grads: Callable[[Layer], Params]) -> Any:
    """An attribute's value in which twins replace the layers that :func:`layers_in` finds."""
    if isinstance(value, Layer):
        return value.twin(grads)
    if next(layers_in(value), None) is None:
        return value
    if isinstance(value, dict):
        return {key: _twins_in(item, grads) for key, item in value.items()}
    twins = [_twins_in(item, grads) for item in value]
    return value._make(twins) if hasattr(value, "_make") else type(value)(twins)
