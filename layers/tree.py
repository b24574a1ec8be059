"""The layers that a layer is made of."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from .base import Layer

CACHES = ("_flat", "_gathered", "_plan", "_locks")  # attributes whose layers are not among a layer's children


def _tree(layer: Layer) -> Iterator[Layer]:
    """The layer and, recursively, all layers that it is made of."""
    yield layer
    for _, child in layer.children():
        yield from _tree(child)


def layers_in(value: Any) -> Iterator[Layer]:
    """The layers in an attribute's value, also inside lists, tuples, sets and dicts."""
    if isinstance(value, Layer):
        yield value
    elif isinstance(value, (list, tuple, set, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from layers_in(item)


def check_leaves(model: Layer) -> None:
    """Raise if training or saving would miss some of the network's parameters.

    Raises:
        TypeError: an attribute of a layer holds layers with parameters that ``children`` does not name.
        ValueError: two layers have the same path.
    """
    named = list(model.leaves())
    paths, leaves = [path for path, _ in named], [leaf for _, leaf in named]
    for path, count in Counter(paths).items():
        if count > 1:
            raise ValueError(f"{type(model).__name__}: two of its layers have the name {path!r}: rename one")
    for layer in _tree(model):
        for name, value in vars(layer).items():
            held = layers_in(value) if name not in CACHES else ()
            if any(leaf.params and leaf not in leaves for child in held for _, leaf in child.leaves()):
                raise TypeError(
                    f"{type(layer).__name__}: the parameters of its attribute {name} would not be trained or saved: "
                    "derive the class from Composite, and name all its layers in children()"
                )
