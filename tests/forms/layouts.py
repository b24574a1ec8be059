"""Arrays of the backend with drawn values, in drawn memory orders."""

from typing import Any

import numpy as np

import xpnn as nn
from xpnn.backend import Array


def laid_out(rng: np.random.Generator, values: np.ndarray) -> Array:
    """The values in a memory order of any kind."""
    shape, kind = values.shape, rng.choice(["C", "Fortran", "axes", "backwards", "gaps", "part"])
    if kind == "gaps":
        part = _zeros([2 * length + 1 for length in shape], values.dtype)[(..., *(slice(1, None, 2) for _ in shape))]
    elif kind == "part":
        part = _zeros([length + 3 for length in shape], values.dtype)[(..., *(slice(2, -1) for _ in shape))]
    else:
        order = list(range(len(shape)))
        order = order[::-1] if kind == "Fortran" else rng.permutation(order).tolist() if kind == "axes" else order
        part = _zeros([shape[axis] for axis in order], values.dtype).transpose(*np.argsort(order).tolist())
        if kind == "backwards":
            part = part[(..., *(slice(None, None, int(rng.choice([1, -1]))) for _ in shape))]
    part[...] = nn.xp.asarray(values)
    return part


def gradient(rng: np.random.Generator, values: np.ndarray) -> Array:
    """The same, or one slice for all along an axis, as the mean of an image gives back."""
    if values.ndim and rng.random() < 0.2:
        axis = int(rng.integers(values.ndim))
        return nn.xp.broadcast_to(nn.xp.asarray(values.take([0], axis)), values.shape)
    return laid_out(rng, values)


def vector(values: np.ndarray) -> Array:
    """The values one behind the other in the midst of others, as a layer's are in its network's vector."""
    whole = nn.xp.asarray(np.pad(values.ravel(), 3, constant_values=7))
    return whole[3:-3].reshape(values.shape)


def _zeros(shape: list[int], dtype: Any) -> Array:
    return nn.xp.zeros(shape, dtype=dtype)
