"""Sequences of different lengths in one batch: padded to T steps, with the number of steps of each."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from ..backend import asarray, xp

Lengths: TypeAlias = Sequence[int] | np.ndarray
"""The number of steps of each sample: (N,) integers on the host."""


def may_have_steps(x: Any) -> bool:
    """Whether x may hold sequences: symbols (N, T), or (N, T, ...)."""
    return x.ndim > 2 or x.dtype.kind != "f"


def check_lengths(of: object, lengths: Lengths, N: int, T: int) -> np.ndarray:
    """The lengths as an array.

    Args:
        of: the layer, named in errors.
        lengths: N integers from 1 to T.
        N, T: the lengths of the batch's first two axes.

    Raises:
        TypeError: the lengths are not integers on the host.
        ValueError: there are not N lengths, or one is not from 1 to T.
    """
    if not isinstance(lengths, (Sequence, np.ndarray)) or np.asarray(lengths).dtype.kind not in "iu":
        raise TypeError(f"{of}: expected lengths as whole numbers in a list or NumPy array, got {lengths!r}")
    host = np.asarray(lengths, dtype="int64")
    if host.shape != (N,) or host.min() < 1 or host.max() > T:
        raise ValueError(f"{of}: expected {N} lengths from 1 to {T}, got {lengths!r}")
    return host


def common(node: str, lengths: Sequence[Lengths | None]) -> Lengths | None:
    """The lengths that all inputs of a graph's node share; None if it reads no sequences."""
    given = [one for one in lengths if one is not None]
    if any(not np.array_equal(one, given[0]) for one in given):
        raise ValueError(f"Graph: expected sequences of the same lengths in {node!r}, got {given}")
    return given[0] if given else None


def without_padding(of: object, y: Any, lengths: Lengths | None) -> Any:
    """y (N, T, ...) with 0 after each sequence's end; this map is its own transpose. Errors as for check_lengths.

    In a tuple, only the first array is changed: the others are not sequences.
    """
    if lengths is None:
        return y
    if isinstance(y, tuple):
        return without_padding(of, y[0], lengths), *y[1:]
    N, T = y.shape[:2]
    alive = np.arange(T) < check_lengths(of, lengths, N, T)[:, None]
    return xp.where(asarray(alive.reshape(N, T, *(1,) * (y.ndim - 2))), y, 0)
