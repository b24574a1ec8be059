"""A data set in batches."""

from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np


class Batches:
    """The result of :func:`batches`."""

    def __init__(self, x: Any, y: Any, batch_size: int, rng: "np.random.Generator | int | None") -> None:
        x, y = (
            np.asarray(data) if isinstance(data, list | tuple) or hasattr(data, "iloc") else data for data in (x, y)
        )
        if len(x) != len(y):
            raise ValueError(f"batches: x has {len(x)} samples, y has {len(y)}")
        check_batch_size(batch_size)
        self._x, self._y, self._size = x, y, batch_size
        self._rng = None if rng is None else np.random.default_rng(rng)

    def __len__(self) -> int:
        return -(-len(self._x) // self._size)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return ((self._x[batch], self._y[batch]) for batch in batch_indices(len(self._x), self._size, self._rng))


def batches(x: Any, y: Any, batch_size: int, rng: "np.random.Generator | int | None" = None) -> Batches:
    """Every sample once in each iteration, ``batch_size`` at a time; the last batch may be smaller.

    Args:
        x, y: data of equal length: arrays, or objects that take indices as arrays do; lists; pandas tables, by row.
        batch_size: at least 1.
        rng: seed or generator that shuffles the samples again for each iteration; without it they keep their order.

    Raises:
        ValueError: batch_size is not a whole number of at least 1, or x and y differ in length.

    >>> [len(labels) for images, labels in batches(np.ones((5, 3)), np.arange(5), batch_size=2, rng=0)]
    [2, 2, 1]
    """
    return Batches(x, y, batch_size, rng)


def check_batch_size(batch_size: Any) -> None:
    """Raise ValueError unless batch_size is a whole number of at least 1."""
    if not isinstance(batch_size, Integral) or batch_size < 1:
        raise ValueError(f"batch_size: expected a whole number of at least 1, got {batch_size!r}")


def batch_indices(
    samples: int, batch_size: int, rng: "np.random.Generator | int | None" = None
) -> "Iterator[slice | np.ndarray]":
    """For each batch of :func:`batches`, a slice or the indices of its samples. Arguments and errors as there."""
    check_batch_size(batch_size)
    order = None if rng is None else np.random.default_rng(rng).permutation(samples)
    parts = (slice(start, start + batch_size) for start in range(0, samples, batch_size))
    return parts if order is None else (order[part] for part in parts)
