"""Device memory: pools that count, and allocations that know whether they are still held."""

import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_UNIT = 512  # bytes: CuPy's pool rounds up to this


class OutOfMemoryError(MemoryError):
    """As CuPy's."""

    __module__ = "cupy.cuda.memory"

    def __init__(self, size: int, total: int, limit: int = 0) -> None:
        super().__init__(f"Out of memory allocating {size:,} bytes (allocated so far: {total:,} bytes).")


class Allocation:
    """One array's memory: its views share it, and with the last of them it goes back to the pool, if there is one."""

    def __init__(self, pool: "MemoryPool", size: int) -> None:
        self.pool, self.device = weakref.ref(pool), thread.device
        pool._take(size)
        weakref.finalize(self, _give_back, self.pool, size)


class MemoryPool:
    """As CuPy's. ``total_bytes`` is the most that was in use at one time since the last ``free_all_blocks``.

    Attributes:
        lost: bytes of pools that were thrown away; from CuPy 14.1 on nobody ever gets them back.
    """

    lost = 0

    def __init__(self, allocator: Any = None) -> None:
        self._used = self._total = self._limit = 0
        self.allocations = 0  # of the stand-in: how often memory was given out

    def __del__(self) -> None:
        MemoryPool.lost += self._total

    def malloc(self, size: int) -> Allocation:
        return Allocation(self, -(-size // _UNIT) * _UNIT)

    def used_bytes(self) -> int:
        return self._used

    def total_bytes(self) -> int:
        return self._total

    def free_bytes(self) -> int:
        return self._total - self._used

    def free_all_blocks(self, stream: Any = None) -> None:
        self._total = self._used

    def set_limit(self, size: int | None = None, fraction: float | None = None) -> None:
        self._limit = size or 0

    def _take(self, size: int) -> None:
        if self._limit and self._used + size > self._limit:
            raise OutOfMemoryError(size, self._used, self._limit)
        self.allocations += 1
        self._used += size
        self._total = max(self._total, self._used)


def _give_back(pool: "weakref.ref[MemoryPool]", size: int) -> None:
    if (owner := pool()) is not None:
        owner._used -= size


default_pool = MemoryPool()


class _Thread(threading.local):
    """Each thread's current device, the first one at its start, and the allocators of `with` around it."""

    def __init__(self) -> None:
        self.device = 0
        self.allocators: list[Callable[[int], Allocation]] = [default_pool.malloc]


thread = _Thread()


@contextmanager
def using_allocator(allocator: Any = None) -> Iterator[None]:
    thread.allocators.append(allocator or default_pool.malloc)
    try:
        yield
    finally:
        thread.allocators.pop()


def allocate(size: int) -> Allocation:
    """From the current allocator."""
    return thread.allocators[-1](size)


class PinnedMemory(bytearray):
    """Host memory that the device can read by itself; a buffer, as CuPy's PinnedMemoryPointer is."""


def alloc_pinned_memory(size: int) -> PinnedMemory:
    return PinnedMemory(size)


def is_pinned(host: Any) -> bool:
    """Whether a NumPy array lies in pinned memory."""
    while host is not None and not isinstance(host, PinnedMemory):
        host = host.obj if isinstance(host, memoryview) else getattr(host, "base", None)
    return host is not None
