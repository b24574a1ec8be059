"""Memory of training: freed memory is used again, and vectors are processed in blocks that fit the cache."""

from functools import cache

import numpy as np

_LARGEST = (1 << 25) - (1 << 13)  # bytes: an array that glibc still learns from
_BLOCK = 1 << 18  # elements: a few float32 arrays of this length fit into a CPU's caches


def cache_blocks(size: int) -> list[slice]:
    """Slices of a vector short enough to stay in the cache for a chain of operations."""
    keep_freed_memory()
    return [slice(start, min(start + _BLOCK, size)) for start in range(0, size, _BLOCK)]


@cache
def keep_freed_memory() -> None:
    """Let glibc keep up to 64 MiB that are free at the end of a heap; once, in a process that trains.

    A training step allocates and frees the same large arrays again and again. glibc returns a large array's memory to
    the system at once, which has to clear new pages in the next step: a fifth to a third of a small network's time.
    But it learns from the largest array that was ever freed, up to 32 MiB: smaller ones then share a heap, whose free
    end is returned once that is twice as much. So one is freed here. Where the environment sets MALLOC_TRIM_THRESHOLD_
    or the like, glibc does not learn; other C libraries do as they always do.
    """
    np.empty(_LARGEST, np.uint8)
