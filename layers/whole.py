"""The whole batch, of which a forward pass has a share where several processes train one network together."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

from ..backend import Array, xp


@dataclass(frozen=True, slots=True)
class Share:
    """Which samples of a batch a process computes with.

    Attributes:
        start, stop: its own samples. If it has none, it computes with one that does not count.
        samples: of the whole batch.
        allreduce: replaces an array by the sum of all processes' arrays; None where statistics are of the share alone.
    """

    start: int
    stop: int
    samples: int
    allreduce: Callable[[Array], None] | None = None

    @property
    def empty(self) -> bool:
        """Whether no sample is its own."""
        return self.start == self.stop

    @property
    def rows(self) -> slice:
        """The samples to compute with."""
        return slice(0, 1) if self.empty else slice(self.start, self.stop)

    @property
    def counted(self) -> slice:
        """Of the samples that are computed with, those that count."""
        return slice(0, 0) if self.empty else slice(None)

    def whole(self, count: int) -> int:
        """Of the whole batch, what is there ``count`` times in the samples that are computed with."""
        return count // max(1, self.stop - self.start) * self.samples

    def total(self, array: Array) -> Array:
        """The sum of all processes' arrays, of which those without samples do not count."""
        if self.allreduce is not None:
            if self.empty:
                array = xp.zeros_like(array)
            self.allreduce(array)
        return array


def identity(array: Array) -> Array:
    """The sum over the only process."""
    return array


share_of_batch: ContextVar[Share | None] = ContextVar("share_of_batch", default=None)
