"""The shares of ranks in a batch, and a step of several batches or shares."""

import zlib
from collections.abc import Iterable

import numpy as np

from ..backend import Array, Ranks
from ..layers.losses.base import reciprocal
from ..layers.whole import Share
from .interrupt import Interruptible
from .score import Sums


def share_of(samples: int, ranks: Ranks) -> Share:
    """A rank's share of a batch of this many samples; the sizes of shares differ by at most one."""
    start, stop = (samples * rank // ranks.size for rank in (ranks.rank, ranks.rank + 1))
    return Share(start, stop, samples, ranks.allreduce if ranks.synchronized else None)


def checksum(arrays: Iterable[np.ndarray]) -> int:
    """A checksum of the arrays' shapes, dtypes and elements."""
    value = 0
    for array in arrays:
        value = zlib.crc32(f"{array.dtype.str} {array.shape}".encode(), value)
        value = zlib.crc32(np.ascontiguousarray(array).data.cast("B"), value)
    return value


class Steps:
    """The sums of a step of several batches, or of several ranks' shares of a batch; each of these adds to ``own``.

    :meth:`sum_up` adds them to ``sums``, and passes a signal that any rank has received to ``stop``.
    """

    def __init__(self, ranks: Ranks, sums: Sums, stop: Interruptible) -> None:
        self._ranks, self._sums, self._stop = ranks, sums, stop
        self.own = Sums()

    def sum_up(self, grads: Array) -> Array:
        """Allreduce the gradient together with the step's loss, accuracy and weight.

        Returns the factor that turns the sum of gradients into their mean.

        Raises:
            FloatingPointError: the loss is not finite; raised on all ranks.
        """
        if self._ranks.size > 1:
            vector = self.own.vector
            vector[-1] = self._stop.received > 0
            self._ranks.allreduce(grads, vector)
            if vector[-1] > 0:
                self._stop.agreed = max(self._ranks.gather(self._stop.received))
        factor = reciprocal(self.own.vector[2:3]).astype(grads.dtype)
        self._sums.take(self.own)
        return factor
