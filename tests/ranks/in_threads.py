"""Ranks that are threads of this process, so that a test of what they do together need not start others."""

import threading
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import xpnn as nn


class Shared:
    """What the ranks have given to each of their operations, and whether one of them has failed."""

    def __init__(self, size: int) -> None:
        self.size, self.changed, self.failed = size, threading.Condition(), False
        self.given: dict[int, dict[int, Any]] = defaultdict(dict)


class Threads(nn.Ranks):
    def __init__(self, rank: int, shared: Shared) -> None:
        self.rank, self.size, self.hosts = rank, shared.size, ["here"] * shared.size
        self._shared, self._count = shared, 0

    def gather(self, value: Any) -> list[Any]:
        shared, self._count = self._shared, self._count + 1
        with shared.changed:
            values = shared.given[self._count]
            values[self.rank] = value
            shared.changed.notify_all()
            shared.changed.wait_for(lambda: len(values) == self.size or shared.failed, timeout=20)
        if len(values) < self.size:
            raise nn.RankError("another rank has failed, or does not come")
        return [values[rank] for rank in range(self.size)]

    def allreduce(self, *arrays: Any) -> None:
        for array in arrays:
            array[...] = sum(self.gather(array.copy()))

    def broadcast(self, *arrays: Any) -> None:
        for array in arrays:
            array[...] = self.gather(array.copy())[0]


def together(size: int, run: Callable[[nn.Ranks], Any]) -> list[Any]:
    """What each rank's call returns, or the error that it raises."""
    shared = Shared(size)

    def one(rank: int) -> Any:
        try:
            return run(Threads(rank, shared))
        except Exception as error:
            with shared.changed:
                shared.failed = True
                shared.changed.notify_all()
            return error

    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(one, range(size)))
