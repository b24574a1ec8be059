"""The input elements and weights from which a layer computes an output element, and the names of the layers."""

from typing import Any, TypeAlias

import numpy as np

from ..backend import to_numpy
from ..layers import RBF, Dense, Flatten, Layer, MappedConv2D, MaxPool2D, Subsample2D
from ..layers.activations import Activation
from ..layers.conv import Convolution

Region: TypeAlias = tuple[tuple[int, int, int], ...]
"""(first, after the last, step) along each axis; elements outside the array count as 0."""

_KINDS: tuple[tuple[Any, str], ...] = (
    ((Convolution, MappedConv2D), "conv"), (MaxPool2D, "pool"), (Subsample2D, "subsample"), (Activation, "activation"),
    (Dense, "dense"), (RBF, "rbf"), (Flatten, "flatten"),
)  # fmt: skip


def kind(layer: Layer) -> str:
    """The layer's kind, among those that the page explains.

    Raises:
        ValueError: the layer is of no such kind.
    """
    for sort, name in _KINDS:
        if isinstance(layer, sort) and getattr(layer, "groups", 1) == 1 and max(getattr(layer, "dilation", (1,))) == 1:
            return name
    raise ValueError(f"explore knows the layers of LeNet-5 in its two forms, not {layer!r}")


def names(layers: list[Layer]) -> list[str]:
    """C1, S2, ... F6 as in LeNet-5; an activation and Flatten have the names of their classes."""
    found, number = [], 0
    for layer in layers:
        letter = {"conv": "C", "pool": "S", "subsample": "S", "dense": "F"}.get(kind(layer))
        number += letter is not None
        found.append(f"{letter}{number}" if letter else type(layer).__name__)
    return found


def window_of(layer: Any) -> tuple[Any, Any, Any] | None:
    """The size of a convolution's or a pooling's window, its stride, and the zeros before the image."""
    if kind(layer) == "conv":
        return layer.kernel_size, layer.stride, layer.padding if isinstance(layer, MappedConv2D) else layer.pads[0]
    if isinstance(layer, Subsample2D):
        return layer.size, layer.size, (0, 0)
    return (layer.size, layer.stride, layer.padding) if isinstance(layer, MaxPool2D) else None


def weights_of(layer: Layer, which: str = "params") -> np.ndarray:
    """W, or with "grads" dE/dW; for a convolution with a connection table its kernels, 0 without a connection."""
    W = to_numpy(getattr(layer, which)["W"])
    if not isinstance(layer, MappedConv2D):
        return W
    kernels = np.zeros((layer.out_channels, layer.in_channels, *layer.kernel_size))
    for kernel, pair in zip(W, layer.pairs, strict=True):
        kernels[pair] = kernel
    return kernels


def place_of(layer: Layer, at: tuple[int, ...]) -> tuple[int, ...]:
    """The index in W of the weight at this index of :func:`weights_of`.

    Raises:
        ValueError: there is no connection.
    """
    if not isinstance(layer, MappedConv2D):
        return at
    if at[:2] not in layer.pairs:
        raise ValueError(f"map {at[0]} does not read map {at[1]}: by the paper's Table I there is no weight")
    return layer.pairs.index((at[0], at[1])), *at[2:]


def region_of(layer: Layer, shape: tuple[int, ...], at: tuple[int, ...]) -> Region:
    """The region of an input of this shape that the output's element ``at`` reads."""
    if kind(layer) == "activation":
        return tuple((i, i + 1, 1) for i in at)
    window = window_of(layer)
    if window is None:
        return tuple((0, size, 1) for size in shape)
    channels = (0, shape[0], 1) if kind(layer) == "conv" else (at[0], at[0] + 1, 1)
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
