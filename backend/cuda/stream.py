"""Batches on their way to the device while the one before is computed with."""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from ..border import Indices, dtype_of
from ..select import Array, xp

_xp: Any = xp


def prefetch(
    arrays: Sequence[np.ndarray], batches: Iterable[Indices], dtype: Any = None
) -> Iterator[tuple[Array, ...]]:
    """The next batch travels while this one is computed with.

    So data need no room on the device but for three batches, and copying takes no time where a step takes longer than
    its batch's copy. The host runs ahead by two batches at most.
    """
    dtypes = [dtype_of(array, dtype if array.dtype.kind == "f" else None) for array in arrays]
    underway: deque[_Sent] = deque()
    try:
        for batch in batches:
            # before the one ahead is handed out: what the copy must wait for are the steps up to now, not that one's
            underway.append(_send(arrays, batch, dtypes))
            if len(underway) == 3:
                underway.popleft().arrived.synchronize()  # then its pinned memory may serve again
            if len(underway) == 2:
                yield _receive(underway[0])
        if underway:
            yield _receive(underway[-1])
    finally:
        with suppress(Exception):  # a lost device fails here too: whoever uses it next is told, or was already
            for sent in underway:
                sent.arrived.synchronize()


class _Sent(NamedTuple):
    """A batch on its way: where it will be, where it comes from, and the event at its arrival."""

    arrays: tuple[Array, ...]
    pinned: tuple[np.ndarray, ...]
    arrived: Any


@cache
def _copying() -> Any:
    """The stream of the copies."""
    return _xp.cuda.Stream(non_blocking=True)


def _send(arrays: Sequence[np.ndarray], batch: Indices, dtypes: list[Any]) -> _Sent:
    """Start to copy a batch."""
    stream, outside = _copying(), _xp.cuda.get_current_stream()
    pinned = tuple(_pinned(array, batch, dtype) for array, dtype in zip(arrays, dtypes, strict=True))
    sent = tuple(xp.empty(part.shape, dtype=part.dtype) for part in pinned)
    stream.wait_event(outside.record())  # which may still read what is given out here again
    for array, part in zip(sent, pinned, strict=True):
        array.set(part, stream)  # type: ignore[attr-defined]
    return _Sent(sent, pinned, stream.record())


def _receive(sent: _Sent) -> tuple[Array, ...]:
    """The batch; the current stream waits for it, the host does not."""
    _xp.cuda.get_current_stream().wait_event(sent.arrived)
    return sent.arrays


def _pinned(array: np.ndarray, batch: Indices, dtype: Any) -> np.ndarray:
    """A batch's samples in memory that the device can read while the host does something else."""
    count = len(batch) if isinstance(batch, np.ndarray) else len(range(len(array))[batch])
    shape = count, *array.shape[1:]
    size = math.prod(shape)
    pinned = np.frombuffer(_xp.cuda.alloc_pinned_memory(size * np.dtype(dtype).itemsize), dtype, size).reshape(shape)
    if isinstance(batch, np.ndarray) and array.dtype == dtype and array.flags.c_contiguous:
        array.take(batch, 0, pinned, "clip")  # array[batch] would be a copy more, and so is what "raise" makes
    else:
        pinned[...] = array[batch]
    return pinned
