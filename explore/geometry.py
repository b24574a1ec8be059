"""Which elements of a layer's input an element of its output reads, and what the layers are called."""

from typing import Any, TypeAlias

import numpy as np

from ..layers import Dense, Flatten, Layer, MaxPool2D
from ..layers.activations import Activation
from ..layers.conv import Convolution

Region: TypeAlias = tuple[tuple[int, int, int], ...]
"""(first, behind the last, step) along each axis; what lies outside of the array counts as 0."""

_KINDS: tuple[tuple[Any, str], ...] = (
    (Convolution, "conv"), (MaxPool2D, "pool"), (Activation, "activation"), (Dense, "dense"), (Flatten, "flatten"),
)  # fmt: skip


def kind(layer: Layer) -> str:
    """Which of the layers that the page explains it is.

    Raises:
        ValueError: none of them.
    """
    for sort, name in _KINDS:
        if isinstance(layer, sort) and getattr(layer, "groups", 1) == 1 and max(getattr(layer, "dilation", (1,))) == 1:
            return name
    raise ValueError(f"explore knows convolutions, max-poolings, activations, Flatten and Dense, not {layer!r}")


def names(layers: list[Layer]) -> list[str]:
    """C1, S2, ... F6 as in LeNet-5; an activation and Flatten have the names of their classes."""
    found, number = [], 0
    for layer in layers:
        letter = {"conv": "C", "pool": "S", "dense": "F"}.get(kind(layer))
        number += letter is not None
        found.append(f"{letter}{number}" if letter else f"{type(layer).__name__}")
    return found


def window_of(layer: Any) -> tuple[Any, Any, Any] | None:
    """The size of a convolution's or a pooling's window, its stride, and the zeros before the image."""
    if isinstance(layer, Convolution):
        return layer.kernel_size, layer.stride, layer.pads[0]
    return (layer.size, layer.stride, layer.padding) if isinstance(layer, MaxPool2D) else None


def region_of(layer: Layer, shape: tuple[int, ...], at: tuple[int, ...]) -> Region:
    """What the element ``at`` of the output reads of an input of this shape."""
    if kind(layer) == "activation":
        return tuple((i, i + 1, 1) for i in at)
    window = window_of(layer)
    if window is None:
        return tuple((0, size, 1) for size in shape)
    channels = (0, shape[0], 1) if isinstance(layer, Convolution) else (at[0], at[0] + 1, 1)
    starts = [i * s - p for i, s, p in zip(at[1:], *window[1:], strict=True)]
    return channels, *((a, a + k, 1) for a, k in zip(starts, window[0], strict=True))


def cut(array: np.ndarray, region: Region) -> np.ndarray:
    """The elements of a region."""
    axes = [np.arange(*side) for side in region]
    taken = array[np.ix_(*(axis.clip(0, size - 1) for axis, size in zip(axes, array.shape, strict=True)))]
    for number, (axis, size) in enumerate(zip(axes, array.shape, strict=True)):
        inside = (axis >= 0) & (axis < size)
        taken = taken * np.expand_dims(inside, [other for other in range(array.ndim) if other != number])
    return taken
