"""From feature maps to vectors."""

from ..backend import Array
from .base import Backward, Layer


class Flatten(Layer):
    """All axes but the first as one: (N, C, H, W) to (N, C*H*W). dE/dx has the input's shape again."""

    separable = True

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check(x, "...", "features")
        shape = x.shape

        def backward(dy: Array) -> Array:
            return dy.reshape(shape)

        return x.reshape(len(x), -1), backward
