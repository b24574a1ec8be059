"""The BLAS that NumPy has loaded: its functions and its threads.

If threadpoolctl does not know that BLAS (Apple's Accelerate, for example), no function is found, and one thread is
assumed.
"""

import contextlib
import ctypes
import functools
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

from ..select import Array

T = TypeVar("T")

_WHOLE, _VECTOR = 1 << 18, 9216  # multiplications, of matrices and with a vector: OpenBLAS uses one thread for fewer
_LOOK = 1e-5  # seconds between checks whether another thread's product has ended


def blas_function(name: str, dtype: str, types: list[Any]) -> Callable[..., None] | None:
    """A function of cblas.h with 64-bit integers; None if it is not found.

    Args:
        name: the name without the prefix and the letter for the type, such as gemm or axpby.
        dtype: NumPy's character for the dtype.
        types: the types of the arguments, with "real" for a scalar of the dtype.
    """
    if dtype not in "fd":
        return None
    letter, real = {"f": ("s", ctypes.c_float), "d": ("d", ctypes.c_double)}[dtype]
    for library in blas_libraries():
        for prefix in ("scipy_cblas_", "cblas_"):
            function = getattr(library.dynlib, f"{prefix}{letter}{name}64_", None)
            if function is not None:
                function.restype, function.argtypes = None, [real if kind == "real" else kind for kind in types]
                return function
    return None


@functools.cache
def blas_libraries() -> list[Any]:
    """threadpoolctl's handles of the BLAS libraries in the process."""
    import threadpoolctl  # here, since importing it takes a while

    return list(threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers)


def blas_threads() -> int:
    """The number of BLAS threads: all cores, or what OPENBLAS_NUM_THREADS or OMP_NUM_THREADS says.

    While any thread is inside :func:`single_threaded_blas`, this is still the number outside of it.
    """
    with _turn:
        return max(_before or _current_threads(), default=1)


class _Products:
    """The number of products that a Python thread is computing: 0 or 1, or more if a signal handler multiplies."""

    __slots__ = "__weakref__", "running"

    def __init__(self) -> None:
        self.running = 0


class _Me(threading.local):
    """The state of a Python thread: whether each of its products runs on one BLAS thread, and its products."""

    def __init__(self) -> None:
        self.alone, self.products = False, _Products()
        with _turn:
            _everyone.add(self.products)


_turn = threading.RLock()  # held by a thread that changes the variables below
_everyone: "weakref.WeakSet[_Products]" = weakref.WeakSet()  # of all Python threads that have multiplied
_wanted = False  # whether the holder of _turn waits for other threads' products, or lets none begin
_users = 0  # the number of callers inside single_threaded_blas
_before: list[int] = []  # each library's number of threads outside of it, while inside one has been reduced
me = _Me()


@contextlib.contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Within this block each BLAS call uses one thread: for products that are already divided.

    The number of threads is global to the process. It changes when the first caller enters and when the last one
    leaves, and for each product of a Python thread outside such a block (:func:`in_turn`); never during a product.
    """
    global _users
    if me.alone:
        yield
        return
    with _turn:
        if not _users:
            _change_threads(take=True)
        _users += 1
    me.alone = True
    try:
        yield
    finally:
        me.alone = False
        with _turn:
            _users -= 1
            if not _users:
                _change_threads(take=False)


def in_turn(multiply: Callable[..., T], *args: Any) -> T:
    """``multiply(*args)`` with the caller's own number of BLAS threads, whatever other Python threads do.

    The number of threads decides how BLAS rounds, so no other thread may change it during a product. This needs no
    lock, which would take longer than the rest of the function: a product is counted before ``_wanted`` is read, and
    ``_wanted`` is set before the products are read, so at least one of two threads sees the other.
    """
    mine = me.products
    mine.running += 1
    try:
        if not _wanted and (not _before or me.alone):
            return multiply(*args)
    finally:
        mine.running -= 1
    with _turn:  # lets a thread that waits for all products go first
        if not _before or me.alone:
            return multiply(*args)
    if multiply is np.matmul and not _divides(*args[:2]):
        return multiply(*args)
    with _nobody_multiplies():  # this thread multiplies alone, while another one is in single_threaded_blas
        now = _current_threads()
        _set_threads(_before or now)
        try:
            return multiply(*args)
        finally:
            _set_threads(now)


def _divides(a: Array, b: Array) -> bool:
    """Whether OpenBLAS may divide this product among its threads."""
    rows, inner, columns = a.shape[-2] if a.ndim > 1 else 1, a.shape[-1], b.shape[-1]
    return rows * inner * columns >= (_WHOLE if rows > 1 < columns else _VECTOR)


@contextlib.contextmanager
def _nobody_multiplies() -> Iterator[None]:
    """Within this block no other thread computes a product."""
    global _wanted
    with _turn:
        outer, _wanted = _wanted, True
        try:
            for products in _everyone - {me.products}:
                while products.running:
                    time.sleep(_LOOK)
            yield
        finally:
            _wanted = outer


def _change_threads(take: bool) -> None:
    """Reduce BLAS to one thread, or restore its number of threads."""
    global _before
    with _nobody_multiplies():
        if take and max(now := _current_threads(), default=1) > 1:
            _before = now
            _set_threads([1] * len(now))
        elif _before:
            _set_threads(_before)
            _before = []


def _after_fork() -> None:
    """In a forked process, undo what the parent's other threads have changed: they do not exist here."""
    global _users
    _users = int(me.alone)
    if not _users:
        _change_threads(take=False)
    _fork.close()


_fork = contextlib.ExitStack()
if hasattr(os, "register_at_fork"):  # not on Windows, where no process is forked
    os.register_at_fork(
        before=lambda: _fork.enter_context(_nobody_multiplies()),  # else BLAS's locks may stay held in the child
        after_in_parent=_fork.close,
        after_in_child=_after_fork,
    )


def _current_threads() -> list[int]:
    return [library.num_threads for library in blas_libraries()]


def _set_threads(numbers: list[int]) -> None:
    for library, number in zip(blas_libraries(), numbers, strict=True):
        # threadpoolctl 3.8's public setter works only in the first Python thread that calls it
        getattr(library, "_real_set_num_threads", library.set_num_threads)(number)


def address(x: Array) -> int:
    """The address of the first element, from a buffer in a third of the time that ``x.ctypes`` takes."""
    try:
        return ctypes.addressof(ctypes.c_char.from_buffer(x))  # type: ignore[arg-type]  # an array is a buffer
    except (TypeError, ValueError, BufferError):  # read-only or not contiguous
        return x.ctypes.data
