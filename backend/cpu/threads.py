"""Slices of a batch on several cores: NumPy releases the interpreter's lock in products, copies and ufuncs.

As many threads as NumPy's BLAS has been given (all cores, or OPENBLAS_NUM_THREADS, OMP_NUM_THREADS); meanwhile each of
them has BLAS to itself, with one thread. A large batch has more slices than there are threads, so that what a slice
needs for a while is needed for a few samples at a time. How a batch is divided depends on its size and on the number of
threads alone, so that a run gives the same bits again.
"""

import contextvars
import functools
import os
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from .numpy_blas import after_fork, blas_threads, single_threaded_blas

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

T = TypeVar("T")

_LEAST = 96 * 1024  # elements of a batch: with fewer, waking a thread costs more than it saves
_MOST = 256 * 1024  # elements of a slice

_divided: contextvars.ContextVar[bool] = contextvars.ContextVar("divided", default=False)
_alone = threading.Lock()


def batch_slices(samples: int, elements: int) -> list[slice]:
    """How to divide a batch among the threads: one slice where more do not pay, or where it has been divided already.

    Args:
        samples: in the batch.
        elements: in the batch.
    """
    count = 1
    if not (elements < _LEAST or _divided.get()):
        threads = blas_threads()
        count = min(samples, threads * -(-elements // (threads * _MOST)))
    ends = [samples * (i + 1) // count for i in range(count)]
    return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]


def in_parallel(tasks: Sequence[Callable[[], T]], count: int) -> list[T]:
    """The results of the tasks, in order; of ``count`` threads the calling one does the first and every n-th after it.

    One caller at a time has the threads; for another the shares run one after the other, with the same results.
    """
    shares: list[Callable[[], list[T]]] = [
        functools.partial(contextvars.copy_context().run, _run, tasks[index::count]) for index in range(count)
    ]
    if count == 1 or not _alone.acquire(blocking=False):
        return _in_order([share() for share in shares])
    try:
        with single_threaded_blas():
            others = [_pool(count - 1).submit(share) for share in shares[1:]]
            try:
                first = shares[0]()
            finally:
                done = [future.exception() for future in others]  # waits, so that no thread goes on unseen
            for error in filter(None, done):
                raise error
            return _in_order([first, *(future.result() for future in others)])
    finally:
        _alone.release()


def _run(tasks: Sequence[Callable[[], T]]) -> list[T]:
    _divided.set(True)
    return [task() for task in tasks]


def _in_order(shares: list[list[T]]) -> list[T]:
    """Each thread's results in turn, as the tasks were dealt out."""
    return [share[turn] for turn in range(len(shares[0])) for share in shares if turn < len(share)]


def _after_fork() -> None:
    """A forked process has none of its parent's threads, and whoever held the lock is not there to let go of it."""
    global _alone
    _alone = threading.Lock()
    _pool.cache_clear()
    after_fork()


@functools.cache
def _pool(threads: int) -> "ThreadPoolExecutor":
    from concurrent.futures import ThreadPoolExecutor  # here, since importing it takes a while

    return ThreadPoolExecutor(threads, thread_name_prefix="xpnn")


if hasattr(os, "register_at_fork"):  # not on Windows, where no process is forked
    os.register_at_fork(after_in_child=_after_fork)
