"""Locks that admit one backward pass and one ``fit`` of a network at a time."""

import contextlib
import os
import threading
import weakref
from collections.abc import Iterator
from typing import Any


class Locks:
    """A network's locks; a copy, a pickle and a forked process get new ones.

    Attributes:
        backward: held while a backward pass adds to the gradients, so that other threads wait.
    """

    def __init__(self) -> None:
        self._renew()
        _ALL.add(self)

    def _renew(self) -> None:
        self.backward, self._fit = threading.RLock(), threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return Locks, ()

    @contextlib.contextmanager
    def fitting(self, name: str) -> Iterator[None]:
        """Raise a RuntimeError that names the network if it is being trained already."""
        lock = self._fit
        if not lock.acquire(blocking=False):
            raise RuntimeError(
                f"fit: this {name} is being trained already, by another thread or by the call that calls this one: "
                "finish it first, or train a copy.deepcopy"
            )
        try:
            yield
        finally:
            lock.release()


_ALL: "weakref.WeakSet[Locks]" = weakref.WeakSet()


def _after_fork() -> None:
    """Renew the locks: the threads that may hold them do not exist in a forked process."""
    for locks in list(_ALL):
        locks._renew()


if hasattr(os, "register_at_fork"):  # not on Windows, where no process is forked
    os.register_at_fork(after_in_child=_after_fork)
