"""Memory: what is freed stays with the process.

A training step allocates and frees the same large arrays again and again. By default glibc hands a large array's memory
back to the system at once, which has to clear new pages at the next step: a quarter to a third of a small network's
time. Other C libraries are left as they are.
"""

import ctypes
import os

from .select import on_device

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
_KEPT = 1 << 30  # bytes: what is larger still goes back


def keep_freed_memory() -> None:
    """Let malloc keep what is freed, unless the environment (MALLOC_TRIM_THRESHOLD_, ...) or the C library decides."""
    if on_device or any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # not glibc; on Windows CDLL(None) itself is an error
        return
    for parameter in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD):
        mallopt(parameter, _KEPT)
