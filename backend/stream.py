"""Batches on their way to the device while the one before is computed with."""

from collections import deque
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from .select import Array, asarray, dtype_of, on_device, xp

_xp: Any = xp

Batch = tuple[np.ndarray, ...]


def prefetch(batches: Iterable[Batch], dtype: Any = None) -> Iterator[tuple[Array, ...]]:
    """Each batch as arrays of the backend; on a device the next one travels while this one is computed with.

    So data need no room on the device but for two batches, and copying takes no time where a step takes longer than
    its batch's copy. The host runs ahead by two batches at most.

    Args:
        batches: tuples of host arrays.
        dtype: of floating-point arrays; float32 by default. Integers stay as they are.

    Raises:
        TypeError: an array holds no numbers.
    """
    if not on_device:
        for batch in batches:
            yield tuple(asarray(part, _dtype(part, dtype)) for part in batch)
        return
    underway: deque[_Sent] = deque()
    try:
        for batch in batches:
            # before the one ahead is handed out: what the copy must wait for are the steps up to now, not that one's
            underway.append(_send(batch, dtype))
            if len(underway) == 3:
                underway.popleft().arrived.synchronize()  # then its pinned memory may serve again
            if len(underway) == 2:
                yield _receive(underway[0])
        if underway:
            yield _receive(underway[-1])
    finally:
        for sent in underway:
            sent.arrived.synchronize()


class _Sent(NamedTuple):
    """A batch on its way: where it will be, where it comes from, and the event at its arrival."""

    arrays: tuple[Array, ...]
    pinned: Batch
    arrived: Any


@cache
def _copying() -> Any:
    """The stream of the copies: one, since each stream's freed memory serves that stream alone."""
    return _xp.cuda.Stream(non_blocking=True)


def _send(batch: Batch, dtype: Any) -> _Sent:
    """Start to copy a batch."""
    stream = _copying()
    pinned = tuple(_pinned(part, _dtype(part, dtype)) for part in batch)
    stream.wait_event(_xp.cuda.get_current_stream().record())  # which may still read what is given out here again
    with stream:
        arrays = tuple(xp.empty(part.shape, dtype=part.dtype) for part in pinned)
        for array, part in zip(arrays, pinned, strict=True):
            array.set(part)  # type: ignore[attr-defined]
        return _Sent(arrays, pinned, stream.record())


def _receive(sent: _Sent) -> tuple[Array, ...]:
    """The batch; the current stream waits for it, the host does not."""
    _xp.cuda.get_current_stream().wait_event(sent.arrived)
    return sent.arrays


def _pinned(part: np.ndarray, dtype: Any) -> np.ndarray:
    """A copy in memory that the device can read while the host does something else."""
    size = part.size * np.dtype(dtype).itemsize
    pinned = np.frombuffer(_xp.cuda.alloc_pinned_memory(size), dtype, part.size).reshape(part.shape)
    pinned[...] = part
    return pinned


def _dtype(part: np.ndarray, dtype: Any) -> Any:
    return dtype_of(part, dtype if part.dtype.kind == "f" else None)
