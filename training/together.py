"""A batch that several ranks have shares of, and a step of several batches or shares."""

import zlib
from collections.abc import Iterable

import numpy as np

from ..backend import Array, Ranks
from ..layers.losses.base import reciprocal
from ..layers.whole import Share
from .interrupt import Interruptible
from .score import Sums


def share_of(samples: int, ranks: Ranks) -> Share:
    """A rank's share of a batch of so many samples; none is larger than another by more than one."""
    start, stop = (samples * rank // ranks.size for rank in (ranks.rank, ranks.rank + 1))
    return Share(start, stop, samples, ranks.allreduce if ranks.synchronized else None)


def checksum(arrays: Iterable[np.ndarray]) -> int:
    """Of arrays' shapes, dtypes and elements."""
    value = 0
    for array in arrays:
        value = zlib.crc32(f"{array.dtype.str} {array.shape}".encode(), value)
        value = zlib.crc32(np.ascontiguousarray(array).data.cast("B"), value)
    return value


class Steps:
    """The sums of a step of several batches, or of a batch of which several ranks have a share: each adds to ``own``.

    They are added to ``sums``, and ``stop`` learns of the signals that came to any rank.
    """

    def __init__(self, ranks: Ranks, sums: Sums, stop: Interruptible) -> None:
        self._ranks, self._sums, self._stop = ranks, sums, stop
        self.own = Sums()

    def sum_up(self, grads: Array) -> Array:
        """One Allreduce of the gradient, and beside it one of the step's loss, accuracy and weight.

        Returns the factor that makes the sum of gradients their mean.

        Raises:
            FloatingPointError: the loss is not finite; on all ranks.
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
