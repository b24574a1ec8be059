"""Memory: what is freed stays with the process, and long vectors are worked on in pieces that fit a cache.

A training step allocates and frees the same large arrays again and again. By default glibc hands a large array's memory
back to the system at once, which has to clear new pages at the next step: a quarter to a third of a small network's
time. Other C libraries are left as they are.
"""

import ctypes
import os

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
_KEPT = 1 << 30, 1 << 25  # bytes: what is larger still goes back; older versions refuse the first

_BLOCK = 1 << 18  # numbers: a few float32 arrays of this length fit into a CPU's caches


def keep_freed_memory() -> None:
    """Let malloc keep what is freed, unless the environment (MALLOC_TRIM_THRESHOLD_, ...) or the C library decides."""
    if any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # not glibc; on Windows CDLL(None) itself is an error
        return
    if any(mallopt(_M_MMAP_THRESHOLD, kept) for kept in _KEPT):  # else the other alone would make it worse
        mallopt(_M_TRIM_THRESHOLD, _KEPT[0])


def cache_blocks(size: int) -> list[slice]:
    """Slices that cover a vector, for a chain of operations on each while it is in the cache."""
    return [slice(start, min(start + _BLOCK, size)) for start in range(0, size, _BLOCK)]
