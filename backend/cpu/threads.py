"""Slices of a batch on several cores: NumPy releases the interpreter's lock in products, copies and ufuncs.

There are as many threads as BLAS has (all cores, or what OPENBLAS_NUM_THREADS or OMP_NUM_THREADS says); meanwhile BLAS
uses one thread per call, and other Python threads' products wait (`in_turn`). A large batch has more slices than there
are threads, so that temporary arrays stay small. The slices depend only on the batch's size and the number of threads,
so a repeated run gives the same bits.
"""

import contextvars
import os
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

from .numpy_blas import blas_threads, me, single_threaded_blas

T = TypeVar("T")

_LEAST = 96 * 1024  # elements of a batch: with fewer, waking a thread costs more than it saves
_MOST = 256 * 1024  # elements of a slice


def batch_slices(samples: int, elements: int) -> list[slice]:
    """The slices of a batch for the threads: one if more do not pay, or if the batch is a slice already.

    Args:
        samples: the batch's number of samples.
        elements: the batch's number of elements.
    """
    count = 1
    if not (elements < _LEAST or me.alone):
        threads = blas_threads()
        count = min(samples, threads * -(-elements // (threads * _MOST)))
    ends = [samples * (i + 1) // count for i in range(count)]
    return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]


def in_parallel(tasks: Sequence[Callable[[], T]], count: int) -> list[T]:
    """The results of the tasks, in order. Each of ``count`` = n threads, the caller's included, runs every n-th task.

    Only one caller at a time uses the threads. Others run their tasks in the calling thread, with the same results.
    """
    shares: list[Callable[[], Any]] = [
        partial(contextvars.copy_context().run, _results, tasks[index::count]) for index in range(count)
    ]
    with single_threaded_blas():
        if count == 1 or not _free.acquire(blocking=False):
            return _in_order([share() for share in shares])
        try:
            answers = [_handed_over(share, number) for number, share in enumerate(shares[1:], 1)]
            try:
                first = shares[0]()
            finally:
                others = [answer.get() for answer in answers]  # waits for every thread, also after an error
        finally:
            _free.release()
    for error in others:
        if isinstance(error, BaseException):
            raise error
    return _in_order([first, *others])


def _results(tasks: Sequence[Callable[[], T]]) -> list[T]:
    return [task() for task in tasks]


def _in_order(shares: list[list[T]]) -> list[T]:
    """The threads' results in the order of the tasks."""
    return [share[turn] for turn in range(len(shares[0])) for share in shares if turn < len(share)]


# These threads are our own, since concurrent.futures accepts no task once the main thread has ended.

_free = threading.Lock()  # held while a caller uses the threads
_started = 0
_shares: "SimpleQueue[tuple[Callable[[], Any], SimpleQueue[Any]]]" = SimpleQueue()


def _handed_over(share: Callable[[], Any], number: int) -> "SimpleQueue[Any]":
    """The queue in which one of ``number`` threads will put the share's results, or its error."""
    global _started
    answers: SimpleQueue[Any] = SimpleQueue()
    try:
        if _started < number:
            threading.Thread(target=_serve, name="xpnn", daemon=True).start()
            _started += 1
    except RuntimeError:  # the interpreter is about to end
        pass
    if _started and not sys.is_finalizing():
        _shares.put((share, answers))
    else:
        _answer(share, answers)
    return answers


def _serve() -> None:
    me.alone = True
    while True:
        _answer(*_shares.get())


def _answer(share: Callable[[], Any], answers: "SimpleQueue[Any]") -> None:
    try:
        answers.put(share())
    except BaseException as error:
        answers.put(error)


def _after_fork() -> None:
    """Begin without threads: the parent's do not exist in a forked process."""
    global _free, _started, _shares
    _free, _started, _shares = threading.Lock(), 0, SimpleQueue()


if hasattr(os, "register_at_fork"):  # not on Windows, where no process is forked
    os.register_at_fork(after_in_child=_after_fork)
