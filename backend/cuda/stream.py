"""Batches copied to the device while the previous one is computed."""

import math
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from ..border import Indices
from ..select import Array, xp
from ..shared.data import batch_dtypes

_xp: Any = xp


def prefetch(arrays: Sequence[Array] | None, batches: Iterable[Any], dtype: Any = None) -> Iterator[tuple[Array, ...]]:
    """The next batch (for arrays on the device, its indices) is copied while the current one is computed.

    The device holds at most three batches, and copies take no extra time if a step takes longer than copying a batch.
    The host is at most two batches ahead.
    """
    dtypes = [] if arrays is None else batch_dtypes(arrays, dtype)
    underway: deque[_Sent] = deque()
    try:
        for batch in batches:
            of, rows = (batch, slice(None)) if arrays is None else (arrays, batch)
            # before the previous batch is yielded: the copy must wait for the steps so far, but not for that batch's
            underway.append(_send(of, rows, dtypes or batch_dtypes(of, dtype)))
            if len(underway) == 3:
                underway.popleft().arrived.synchronize()  # from now on its pinned memory may be reused
            if len(underway) == 2:
                yield _receive(underway[0])
        if underway:
            yield _receive(underway[-1])
    finally:
        with suppress(Exception):  # fails on a lost device, too; the next use of the device then raises
            for sent in underway:
                sent.arrived.synchronize()


class _Sent(NamedTuple):
    """A batch being copied: the arrays on the device, their source, and the event at the end of the copy.

    ``batch`` holds the indices, or a slice, for those arrays in ``of`` that are on the device already.
    """

    arrays: tuple[Array, ...]
    pinned: tuple[np.ndarray, ...]
    arrived: Any
    batch: Any
    of: Sequence[Array]
    dtypes: list[Any]


@cache
def _copying() -> Any:
    """The stream for copies."""
    return _xp.cuda.Stream(non_blocking=True)


def _send(arrays: Sequence[Array], batch: Indices, dtypes: list[Any]) -> _Sent:
    """Start copying a batch."""
    stream, outside = _copying(), _xp.cuda.get_current_stream()
    pairs = zip(arrays, dtypes, strict=True)
    pinned = tuple(_pinned(array, batch, dtype) for array, dtype in pairs if isinstance(array, np.ndarray))
    indices = batch if len(pinned) < len(arrays) and isinstance(batch, np.ndarray) else None
    if indices is not None:
        pinned += (_pinned(indices, slice(None), indices.dtype),)
    sent = tuple(xp.empty(part.shape, dtype=part.dtype) for part in pinned)
    stream.wait_event(outside.record())  # the current stream may still read memory that is reused here
    for array, part in zip(sent, pinned, strict=True):
        array.set(part, stream)  # type: ignore[attr-defined]
    return _Sent(sent, pinned, stream.record(), batch if indices is None else sent[-1], arrays, dtypes)


def _receive(sent: _Sent) -> tuple[Array, ...]:
    """The batch's arrays; the current stream waits for the copy, the host does not."""
    _xp.cuda.get_current_stream().wait_event(sent.arrived)
    copied = iter(sent.arrays)
    return tuple(
        next(copied) if isinstance(array, np.ndarray) else array[sent.batch].astype(dtype, copy=False)
        for array, dtype in zip(sent.of, sent.dtypes, strict=True)
    )


def _pinned(array: np.ndarray, batch: Indices, dtype: Any) -> np.ndarray:
    """A batch's samples in pinned memory, from which the device can copy asynchronously."""
    count = len(batch) if isinstance(batch, np.ndarray) else len(range(len(array))[batch])
    shape = count, *array.shape[1:]
    size = math.prod(shape)
    pinned = np.frombuffer(_xp.cuda.alloc_pinned_memory(size * np.dtype(dtype).itemsize), dtype, size).reshape(shape)
    if isinstance(batch, np.ndarray) and array.dtype == dtype and array.flags.c_contiguous:
        array.take(batch, 0, pinned, "clip")  # array[batch] and mode "raise" would both copy once more
    else:
        pinned[...] = array[batch]
    return pinned
