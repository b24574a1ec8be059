"""Memory in training: freed memory is reused, and vectors are processed in blocks that fit the cache."""

from functools import cache

import numpy as np

_LARGEST = (1 << 25) - (1 << 13)  # bytes: the largest array from which glibc adapts its threshold
_BLOCK = 1 << 18  # elements: a few float32 arrays of this length fit into a CPU's caches


def cache_blocks(size: int) -> list[slice]:
    """Slices of a vector that are short enough to stay in the cache for a chain of operations."""
    keep_freed_memory()
    return [slice(start, min(start + _BLOCK, size)) for start in range(0, size, _BLOCK)]


@cache
def keep_freed_memory() -> None:
    """Let glibc keep up to 64 MiB of free memory at the end of a heap; called once, in a process that trains.

    A training step allocates and frees the same large arrays again and again. By default glibc returns a large array's
    memory to the system at once, and the system has to clear new pages in the next step, which takes a fifth to a third
    of a small network's time. But glibc adapts to the largest array ever freed, up to 32 MiB: it then takes smaller
    arrays from a heap, whose free end it returns only beyond twice that size. So such an array is freed here. This has
    no effect if the environment sets MALLOC_TRIM_THRESHOLD_ or the like, or with another C library.
    """
    np.empty(_LARGEST, np.uint8)
