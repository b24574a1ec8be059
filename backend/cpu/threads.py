"""Slices of a batch on several cores: NumPy releases the interpreter's lock in products, copies and ufuncs.

There are as many threads as BLAS has (all cores, or what OPENBLAS_NUM_THREADS or OMP_NUM_THREADS says); meanwhile BLAS
uses one thread per call. A large batch has more slices than there are threads, so that temporary arrays stay small. The
slices depend only on the batch's size and the number of threads, so a repeated run gives the same bits.
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
    """The slices of a batch for the threads: one if more do not pay, or if the batch is a slice already.

    Args:
        samples: their number in the batch.
        elements: their number in the batch.
    """
    count = 1
    if not (elements < _LEAST or _divided.get()):
        threads = blas_threads()
        count = min(samples, threads * -(-elements // (threads * _MOST)))
    ends = [samples * (i + 1) // count for i in range(count)]
    return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]


def in_parallel(tasks: Sequence[Callable[[], T]], count: int) -> list[T]:
    """The results of the tasks, in order. Of n = ``count`` threads, the calling one does the first and every n-th task.

    Only one caller at a time uses the threads; for others the tasks run in the calling thread, with the same results.
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
                done = [future.exception() for future in others]  # waits for every thread, also after an error
            for error in filter(None, done):
                raise error
            return _in_order([first, *(future.result() for future in others)])
    finally:
        _alone.release()


def _run(tasks: Sequence[Callable[[], T]]) -> list[T]:
    _divided.set(True)
    return [task() for task in tasks]


def _in_order(shares: list[list[T]]) -> list[T]:
    """The threads' results in the order of the tasks."""
    return [share[turn] for turn in range(len(shares[0])) for share in shares if turn < len(share)]


def _after_fork() -> None:
    """Renew locks and threads: a forked process lacks its parent's threads, one of which may hold a lock."""
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
