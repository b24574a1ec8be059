"""The elements of a sample in another shape."""

from math import prod

from ...backend import Array
from ..base import Backward, Layer


class Reshape(Layer):
    """The elements of each sample in another shape, in the same order, as from a decoder's (N, C*H*W) to (N, C, H, W).

    dE/dx is dE/dy in x's shape. :class:`Flatten` is ``Reshape(-1)``.

    Args:
        sizes: the lengths of y's axes after the first, which is the samples'; one may be -1, to be inferred.

    Shapes: input (N, ...), output (N, \\*sizes).

    Raises:
        ValueError: a size is neither positive nor -1, or two are -1; or x has another number of elements.

    >>> Reshape(2, 4, 4)(asarray(np.ones((3, 32)))).shape
    (3, 2, 4, 4)
    """

    separable = True

    def __init__(self, *sizes: int) -> None:
        super().__init__()
        if not sizes or sizes.count(-1) > 1 or any(size < 1 and size != -1 for size in sizes):
            raise ValueError(f"Reshape: expected positive sizes, of which one may be -1, got {sizes}")
        self.sizes = tuple(map(int, sizes))

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check(x, "...")
        shape, known = x.shape, prod(size for size in self.sizes if size != -1)
        elements = prod(shape[1:])
        if elements % known or (elements != known and -1 not in self.sizes):
            raise ValueError(f"{self}: expected samples of {known} elements, got input of shape {shape}")
        return x.reshape(len(x), *self.sizes), lambda dy: dy.reshape(shape)
