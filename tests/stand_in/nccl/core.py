"""As much of ``nccl.core`` as the package asks for.

A communicator does not block: making it and every operation take a while, in which the device's arrays hold bytes that
mean nothing. Whoever computes with them, or asks for the next operation, has not waited, or gets an error.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from cupy import ndarray
from cupy._array import scribble
from cupy._streams import get_current_stream, refuse_while_capturing
from mpi4py import MPI

SUM = MPI.SUM
SUCCESS, INVALID_USAGE, IN_PROGRESS = 0, 5, 7
FAILURES: list[int] = []
"""What :meth:`Communicator.get_async_error` is to say, for tests."""


class NCCLError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(get_error_string(status))


class UniqueId:
    def __init__(self, key: bytes = b"") -> None:
        self._key = key

    def __bytes__(self) -> bytes:
        return self._key

    @staticmethod
    def from_bytes(b: bytes | bytearray | memoryview) -> "UniqueId":
        return UniqueId(bytes(b))


class NCCLConfig:
    def __init__(self, blocking: bool | None = None) -> None:
        self.blocking = blocking


def get_unique_id(empty: bool = False) -> UniqueId:
    return UniqueId(MPI.COMM_WORLD.rank.to_bytes(128, "little"))


def get_error_string(nccl_result: int) -> str:
    return "no error" if nccl_result == SUCCESS else f"error {nccl_result}"


_group: list[Callable[[], None]] | None = None


@contextmanager
def group() -> Iterator[None]:
    global _group
    _group = []
    try:
        yield
    finally:
        operations, _group = _group, None
        for operation in operations:
            operation()


class Communicator:
    """Attributes: aborted: of the stand-in."""

    def __init__(self, world: Any = None, made: Any = None) -> None:
        self._world, self._pending, self._polls, self.aborted = world, [made], 0, False

    @classmethod
    def init(cls, nranks: int, rank: int, unique_id: UniqueId, config: NCCLConfig | None = None) -> "Communicator":
        world = MPI.COMM_WORLD
        assert config is not None
        assert config.blocking is False
        assert (nranks, rank) == (world.size, world.rank)
        assert bytes(unique_id) == bytes(128), "the first rank's"
        return cls(*world.Idup())

    def allreduce(self, sendbuf: ndarray, recvbuf: ndarray, op: Any, *, stream: Any = None, config: Any = None) -> None:
        self._later(sendbuf, recvbuf, stream, lambda host: self._world.Iallreduce(MPI.IN_PLACE, host, op))

    def broadcast(
        self, sendbuf: ndarray, recvbuf: ndarray, root: int, *, stream: Any = None, config: Any = None
    ) -> None:
        self._later(sendbuf, recvbuf, stream, lambda host: self._world.Ibcast(host, root))

    def get_async_error(self) -> int:
        """Every second look finds it at work."""
        self._polls += 1
        if FAILURES:
            return FAILURES[0]
        self._pending = [request for request in self._pending if not request.Test()]
        if self._pending or self._polls % 2:
            return IN_PROGRESS
        get_current_stream().closed = False
        return SUCCESS

    def get_last_error(self) -> str:
        return "the stand-in's"

    def abort(self) -> None:
        self.aborted = True
        get_current_stream().underway.clear()
        get_current_stream().closed = False

    def _later(self, source: ndarray, target: ndarray, stream: int, start: Callable[[np.ndarray], Any]) -> None:
        current = get_current_stream()
        refuse_while_capturing("a collective operation")
        if source is not target or stream != current.ptr or not target.flags.c_contiguous or not target.size:
            raise NCCLError(INVALID_USAGE)
        if self._pending or self.aborted:
            raise NCCLError(INVALID_USAGE)

        def begin() -> None:
            memory, host = target._memory, target._memory.copy()
            scribble(memory)
            current.closed = True
            request = start(host)

            def complete() -> bool:
                if request.Test():
                    memory[...] = host
                    return True
                return False

            current.underway.append(complete)

        if _group is None:
            begin()
        else:
            _group.append(begin)
