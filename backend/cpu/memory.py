"""Memory: freed memory stays with the process, and long vectors are processed in blocks that fit the cache.

A training step allocates and frees the same large arrays again and again. By default glibc returns a large array's
memory to the system at once, which has to clear new pages in the next step: a quarter to a third of a small network's
time. Other C libraries are not changed.
"""

import ctypes
import os

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
_KEPT = 1 << 30, 1 << 25  # bytes, up to which memory is kept; older versions of glibc refuse the first

_BLOCK = 1 << 18  # elements: a few float32 arrays of this length fit into a CPU's caches


def keep_freed_memory() -> None:
    """Let malloc keep freed memory, unless the environment (MALLOC_TRIM_THRESHOLD_, ...) configures it."""
    if any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # not glibc; on Windows CDLL(None) raises
        return
    if any(mallopt(_M_MMAP_THRESHOLD, kept) for kept in _KEPT):  # the second setting alone would be slower than neither
        mallopt(_M_TRIM_THRESHOLD, _KEPT[0])


def cache_blocks(size: int) -> list[slice]:
    """Slices of a vector short enough to stay in the cache for a chain of operations."""
    return [slice(start, min(start + _BLOCK, size)) for start in range(0, size, _BLOCK)]
