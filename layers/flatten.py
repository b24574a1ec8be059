"""Flattening: feature maps become vectors."""

from ..backend import Array
from .base import Backward, Layer


class Flatten(Layer):
    """Joins all axes but the first: x (N, C, H, W) becomes y (N, C*H*W). dE/dx is dE/dy in x's shape.

    >>> Flatten()(asarray(np.ones((2, 3, 4, 4)))).shape
    (2, 48)
    """

    separable = True

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check(x, "...", "features")
        shape = x.shape

        def backward(dy: Array) -> Array:
            return dy.reshape(shape)

        return x.reshape(len(x), -1), backward
