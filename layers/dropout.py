"""Dropout."""

import math

import numpy as np

from ..backend import Array, Rng, asarray
from .base import Backward, Layer
from .inference import inferring
from .settings import real
from .whole import share_of_batch


class Dropout(Layer):
    """In training, set each element to 0 with probability p and divide the others by 1 - p; in inference, y = x::

        y = mask * x,    dE/dx = mask * dE/dy,    where each element of the mask is 0 or 1 / (1 - p)

    Args:
        p: the probability of 0, at least 0 and below 1.
        rng: seed or generator of the masks, which are drawn on the host.

    Raises:
        ValueError: p is out of its range.

    Any shape. Source: Srivastava et al., "Dropout", 2014.

    >>> Dropout(0.5, rng=0)(asarray([1.0, 2.0]))
    array([1., 2.], dtype=float32)
    """

    keeps_steps = True

    def __init__(self, p: float = 0.5, *, rng: Rng = None) -> None:
        if not 0 <= real(p) < 1:
            raise ValueError(f"Dropout: expected 0 <= p < 1, got {p}")
        super().__init__()
        self.p = float(p)
        self._rng = np.random.default_rng(rng)

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check(x, "...")
        if inferring():
            return x, lambda dy: dy
        kept = self._drawn(x.shape) >= self.p
        mask = asarray(kept).astype(x.dtype)  # one byte per element crosses to the device
        mask *= 1 / (1 - self.p)

        def backward(dy: Array) -> Array:
            return mask * dy

        return mask * x, backward

    def _drawn(self, shape: tuple[int, ...]) -> np.ndarray:
        """A random value for each element; for the whole batch they do not depend on the number of processes."""
        share = share_of_batch.get()
        if share is None:
            return self._rng.random(shape, dtype=np.float32)
        each = math.prod(shape) // len(range(share.samples)[share.rows])
        drawn = self._rng.random((share.samples, each), dtype=np.float32)
        return drawn[share.rows].reshape(shape)

    def _arguments(self) -> str:
        return f"{self.p}"
