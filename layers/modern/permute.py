"""Axes in another order."""

from ...backend import Array
from ..base import Backward, Layer


class Permute(Layer):
    """The axes of each sample in another order, as between (N, T, features) and the (N, C, L) of :class:`Conv1D`.

    ::

        y = x transposed,    y.shape[i] = x.shape[axes[i]]
        dE/dx is dE/dy transposed back

    Args:
        axes: the input's axes in the output's order, counted from 1, since axis 0, the samples, stays first.

    Shapes: for ``Permute(2, 1)`` input (N, A, B), output (N, B, A).

    Raises:
        ValueError: the axes are not 1, 2, ... in some order, or the input has another number of axes.

    >>> steps_to_channels = Permute(2, 1)
    >>> steps_to_channels(asarray(np.zeros((4, 28, 3)))).shape
    (4, 3, 28)
    """

    separable = True

    def __init__(self, *axes: int) -> None:
        super().__init__()
        if not axes or sorted(axes) != list(range(1, len(axes) + 1)):
            raise ValueError(f"Permute: expected the axes 1, 2, ... in some order, got {axes}")
        self.axes = tuple(map(int, axes))

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check(x, "N", *(f"axis {i}" for i in sorted(self.axes)))
        back = [0, *(self.axes.index(i) + 1 for i in sorted(self.axes))]
        return x.transpose(0, *self.axes), lambda dy: dy.transpose(back)
