"""A process's share of the batch, where several processes train one network together."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

from ..backend import Array, xp


@dataclass(frozen=True, slots=True)
class Share:
    """The samples of a batch that a process computes.

    Attributes:
        start, stop: the range of its own samples. If it is empty, the process computes one sample that does not count.
        samples: the number of samples in the whole batch.
        allreduce: replaces an array by the sum of all processes' arrays; None if each process's statistics are of its
            share alone.
    """

    start: int
    stop: int
    samples: int
    allreduce: Callable[[Array], None] | None = None

    @property
    def empty(self) -> bool:
        """Whether the process has no samples of its own."""
        return self.start == self.stop

    @property
    def rows(self) -> slice:
        """The samples to compute."""
        return slice(0, 1) if self.empty else slice(self.start, self.stop)

    @property
    def counted(self) -> slice:
        """Which of the computed samples count."""
        return slice(0, 0) if self.empty else slice(None)

    def whole(self, count: int) -> int:
        """The count in the whole batch of what the computed samples contain ``count`` times."""
        return count // max(1, self.stop - self.start) * self.samples

    def total(self, array: Array) -> Array:
        """The sum of the arrays of all processes that have samples of their own."""
        if self.allreduce is not None:
            if self.empty:
                array = xp.zeros_like(array)
            self.allreduce(array)
        return array


def identity(array: Array) -> Array:
    """The total for a single process: its own array."""
    return array


share_of_batch: ContextVar[Share | None] = ContextVar("share_of_batch", default=None)
