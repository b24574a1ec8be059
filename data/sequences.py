"""Sequences of different lengths: one padded array, and batches of similar lengths."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .batches import check_batch_size


def pad(sequences: Iterable[Any], dtype: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Sequences side by side in one array, with 0 after each one's end, and their lengths.

    Args:
        sequences: N arrays or lists, each of shape (T_n, ...): T_n steps, whose shape is the same for all sequences.
        dtype: the dtype of the array; by default one that can hold all values.

    Returns:
        (N, T, ...) with the largest T_n as T, and the lengths T_n, (N,) int64.

    Raises:
        TypeError: a sequence does not hold numbers.
        ValueError: there are no sequences; or one is a single number, has no steps, or has steps of another shape than
            the first.

    >>> pad([[1, 2, 3], [4]])
    (array([[1, 2, 3],
           [4, 0, 0]]), array([3, 1]))
    """
    arrays = [np.asarray(sequence) for sequence in sequences]
    if not arrays:
        raise ValueError("pad: expected at least one sequence")
    for n, array in enumerate(arrays):
        if array.dtype.kind not in "biuf":
            raise TypeError(f"pad: expected sequences of numbers, got dtype {array.dtype} in sequence {n}")
        if 0 in (array.ndim, array.size) or array.shape[1:] != arrays[0].shape[1:]:
            steps = ", ".join(["steps", *map(str, arrays[0].shape[1:])])
            raise ValueError(f"pad: expected sequences of shape ({steps}), got {array.shape} in sequence {n}")
    lengths = np.array([len(array) for array in arrays])
    padded = np.zeros((len(arrays), lengths.max(), *arrays[0].shape[1:]), dtype or np.result_type(*arrays))
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = array
    return padded, lengths


def bucketed(
    lengths: Sequence[int] | np.ndarray, batch_size: int, rng: "np.random.Generator | int | None" = None
) -> list[np.ndarray]:
    """Batches of sequences of similar lengths, so that little padding is needed; every sequence occurs once.

    The sequences are sorted by their lengths, each multiplied by a random factor from 0.9 to 1.1, and the batches are
    shuffled: each pass over the data has different batches in a different order.

    Args:
        lengths: the number of steps of each sequence.
        batch_size: at least 1; one batch, at a random place, may be smaller.
        rng: seed or generator of the factors and the order; without it the batches go from short to long.

    Returns:
        For each batch the indices of its sequences.

    Raises:
        ValueError: batch_size is not a whole number of at least 1, or lengths are not one axis of integers of at least
            0.

    >>> bucketed([5, 2, 9, 3], batch_size=2)
    [array([1, 3]), array([0, 2])]
    """
    lengths = np.asarray(lengths)
    check_batch_size(batch_size)
    if not lengths.size:
        return []
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or lengths.min() < 0:
        got = f"{lengths.dtype} of {lengths.shape}"
        raise ValueError(f"bucketed: expected an integer of at least 0 for each sequence, got {got}")
    sizes = np.full(-(-len(lengths) // batch_size), batch_size)
    rng = None if rng is None else np.random.default_rng(rng)
    sizes[-1 if rng is None else rng.integers(len(sizes))] -= -len(lengths) % batch_size
    keys = lengths if rng is None else lengths * rng.uniform(0.9, 1.1, len(lengths))
    batches = np.split(np.argsort(keys, kind="stable"), np.cumsum(sizes)[:-1])
    return batches if rng is None else [batches[i] for i in rng.permutation(len(batches))]
