"""A section of a sample along one axis."""

from ...backend import Array, xp
from ..base import Backward, Layer


class Slice(Layer):
    """A section along one axis, such as the last step of a sequence or half of the channels::

        y      = x[start:stop] along the axis
        dE/dx  = dE/dy there, else 0

    Args:
        start, stop: the first index and the index after the last, counted from the end if negative; None for no limit.
        axis: the axis; by default 1, the steps of (N, T, features) and the channels of (N, C, H, W).

    Any shape; only this axis becomes shorter.

    Raises:
        ValueError: the axis is the samples', x does not have the axis, or the section is empty.

    >>> last_step = Slice(-1)
    >>> last_step(asarray(np.ones((2, 5, 3)))).shape
    (2, 1, 3)
    """

    separable = True

    def __init__(self, start: int | None, stop: int | None = None, axis: int = 1) -> None:
        super().__init__()
        self.start, self.stop, self.axis = start, stop, axis

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check(x, "...")
        axis = self.axis + x.ndim if self.axis < 0 else self.axis
        if not 0 < axis < x.ndim or not len(range(*slice(self.start, self.stop).indices(x.shape[axis]))):
            raise ValueError(f"{self}: expected input with elements in this section, got shape {x.shape}")
        section = (slice(None),) * axis + (slice(self.start, self.stop),)

        def backward(dy: Array) -> Array:
            dx = xp.zeros_like(x)
            dx[section] = dy
            return dx

        return x[section], backward
