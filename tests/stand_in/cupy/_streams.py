"""Streams, events and graphs.

What is given to a stream is done at once, but for copies from pinned memory on a stream other than the default one:
those are done as late as CUDA allows, when another stream or the host has waited for them. Until then the array holds
bytes that mean nothing. While a stream is capturing nothing is computed; a launch computes what was captured, from the
same buffers with the same numbers, and refuses to where memory that it needs has been given up.
"""

import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from . import stand_in
from ._memory import Allocation


class CUDARuntimeError(RuntimeError):
    """As CuPy's, made of CUDA's own name and text."""

    __module__ = "cupy_backends.cuda.api.runtime"

    def __init__(self, status: int, told: str = "cudaErrorUnknown: unknown error") -> None:
        super().__init__(told)
        self.status = status


class CUDADriverError(RuntimeError):
    """As CuPy's, made of CUDA's own name and text."""

    __module__ = "cupy_backends.cuda.api.driver"

    def __init__(self, status: int, told: str) -> None:
        super().__init__(told)
        self.status = status


class Stream:
    """As CuPy's."""

    null: "Stream"

    def __init__(
        self, null: bool = False, non_blocking: bool = False, ptds: bool = False, priority: Any = None
    ) -> None:
        self.ptr = 0 if null else id(self)
        self.capture: Capture | None = None
        self._late: list[Callable[[], None]] = []  # copies that are not done yet
        self._done = 0
        self.underway: list[Callable[[], bool]] = []  # what other processes take part in; each says whether it is done
        self.closed = False  # while one of these is on its way to the device

    def __enter__(self) -> "Stream":
        _thread.within.append(self)
        return self.use()

    def __exit__(self, *_: object) -> None:
        _thread.within.pop()
        _thread.within[-1].use()  # not the one that was current before, if `use` made it so

    def use(self) -> "Stream":
        _thread.current = self
        return self

    def synchronize(self) -> None:
        stand_in.record("waits", "Stream.synchronize")
        self.finish(self._given)

    def record(self, event: "Event | None" = None) -> "Event":
        event = event or Event()
        event.record(self)
        return event

    def wait_event(self, event: "Event") -> None:
        stand_in.happened("wait", self, event.stream)
        event.stream.finish(event.place)

    def begin_capture(self, mode: Any = None) -> None:
        if self.ptr == 0:
            raise RuntimeError("cannot capture on the default (legacy) stream")
        self.capture = Capture()

    def end_capture(self) -> "Graph":
        capture, self.capture = self.capture, None
        if capture is None:
            raise CUDARuntimeError(901, "cudaErrorStreamCaptureInvalidated: operation failed")
        return Graph(capture)

    def is_capturing(self) -> bool:
        return self.capture is not None

    # -- of the stand-in

    @property
    def _given(self) -> int:
        return self._done + len(self._late)

    def later(self, copy: Callable[[], None]) -> None:
        """Do this when somebody waits for it."""
        self._late.append(copy)

    def finish(self, place: int) -> None:
        """Do what was given to the stream up to a place."""
        while self._done < place:
            self._late.pop(0)()
            self._done += 1


class Event:
    """As CuPy's."""

    def __init__(self, block: bool = False, disable_timing: bool = False, interprocess: bool = False) -> None:
        self.stream, self.place = Stream.null, 0

    def record(self, stream: Stream | None = None) -> None:
        self.stream = stream or get_current_stream()
        if self.stream.closed:
            raise RuntimeError("given to a stream to which NCCL is giving an operation")
        self.place = self.stream._given

    def synchronize(self) -> None:
        stand_in.record("holds", "Event.synchronize")
        self.stream.finish(self.place)

    @property
    def done(self) -> bool:
        self.stream.underway[:] = [operation for operation in self.stream.underway if not operation()]
        return self.place <= self.stream._done and not self.stream.underway


Stream.null = Stream(null=True)


class _Thread(threading.local):
    """Each thread's current stream, and the streams of `with` around it."""

    def __init__(self) -> None:
        self.current, self.within = Stream.null, [Stream.null]


_thread = _Thread()


def get_current_stream(device_id: int = -1) -> Stream:
    return _thread.current


class Capture:
    """What a stream was given while capturing.

    Attributes:
        operations: what a launch does.
        memory: the allocations that it reads and writes, which it does not keep alive.
    """

    def __init__(self) -> None:
        self.operations: list[Callable[[], Any]] = []
        self.memory: list[tuple[weakref.ref[Allocation], weakref.ref[Any]]] = []

    def note(self, operation: Callable[[], Any], allocations: list[Allocation]) -> None:
        self.operations.append(operation)
        self.memory += [(weakref.ref(one), one.pool) for one in allocations]


class Graph:
    """As CuPy's, from ``end_capture``."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        pools = {id(pool): pool for _, ref in capture.memory if (pool := ref()) is not None}
        self._allocations = {key: pool.allocations for key, pool in pools.items()}

    def launch(self, stream: Stream | None = None) -> None:
        stand_in.happened("launch", stream or get_current_stream())
        for allocation, pool_ref in self._capture.memory:
            pool = pool_ref()
            # what was freed is safe where its pool lives on and gives nothing out any more
            if allocation() is None and (pool is None or pool.allocations != self._allocations[id(pool)]):
                raise CUDARuntimeError(700, "cudaErrorIllegalAddress: an illegal memory access was encountered")
        with np.errstate(all="ignore"):
            for operation in self._capture.operations:
                operation()

    def upload(self, stream: Stream | None = None) -> None:
        """Nothing to do."""


def capturing() -> Capture | None:
    """The current stream's capture."""
    return get_current_stream().capture


def refuse_while_capturing(what: str) -> None:
    """RuntimeError, as CuPy has it, for what a graph cannot hold."""
    if capturing() is not None:
        raise RuntimeError(f"the current stream is capturing, so {what} is disallowed")


def run(operation: Callable[[], None], *allocations: Allocation) -> None:
    """Do an operation on the device's memory: now, or whenever the graph that it is captured in is launched."""
    capture = capturing()
    if capture is None:
        operation()
    else:
        capture.note(operation, list(allocations))


stand_in.on_crossing = refuse_while_capturing
