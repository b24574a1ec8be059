"""Batches of arrays in memory."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ..select import Array
from ..shared.data import batch_dtypes


def prefetch(arrays: Sequence[Array] | None, batches: Iterable[Any], dtype: Any = None) -> Iterator[tuple[Array, ...]]:
    """``take`` gathers rows in a third of the time of indexing; the dtypes are determined once."""
    if arrays is None:
        for batch in batches:
            yield tuple(np.asarray(array, kind) for array, kind in zip(batch, batch_dtypes(batch, dtype), strict=True))
        return
    dtypes = batch_dtypes(arrays, dtype)
    for batch in batches:
        rows = (array[batch] if isinstance(batch, slice) else array.take(batch, 0) for array in arrays)
        yield tuple(map(np.asarray, rows, dtypes))
