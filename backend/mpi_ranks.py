"""Ranks that MPI has started: their collective operations, and the detection of a rank that fails."""

import atexit
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from types import TracebackType
from typing import Any

import numpy as np

from .ranks import RankError, Ranks
from .select import Array, on_device

_FAULT, _WAITS = 24_301, 24_302  # tags of the messages beside the collective operations
_LOOK = 0.01  # seconds between two checks for messages
_LOOKS = 64  # tests in a row, each of which transfers 32 kB; then the kernel's network code may need the core
_BRIEF, _PAUSE = 0.02, 2e-3  # seconds of a wait without pauses, and of each later pause
_give_way = getattr(os, "sched_yield", lambda: None)  # Windows lacks it
_VARIABLES = "OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_SIZE", "PMI_RANK", "MPI_LOCALNRANKS"


def mpi(timeout: float = 30.0, *, synchronized: bool = True) -> Ranks:
    """The ranks that ``mpiexec`` or ``srun`` has started; without these, the single process.

    Each call of the ranks' methods waits for the other ranks, at most ``timeout`` seconds. If a rank was killed, has
    raised an uncaught error, or does not answer, every rank raises a :class:`RankError` that names it; if this is not
    caught either, MPI ends all processes.

    Args:
        timeout: the seconds for which one rank may keep the others waiting, as while it reads or writes a large file.
        synchronized: whether batch normalisation uses the statistics of the whole batch, not of the rank's share.

    Raises:
        ImportError: mpi4py, or an MPI for it, is missing; the message names the extra.
        ValueError: timeout is not above 0.
        RankError: a rank does not respond.

    >>> ranks = mpi()
    >>> x, y = np.random.default_rng(0).normal(size=(96, 8)), np.arange(96) % 2
    >>> history = fit(MLP((8, 16, 2), rng=0), x, y, epochs=1, ranks=ranks, verbose=ranks.rank == 0)
    epoch   1  loss ...
    """
    if not timeout > 0:
        raise ValueError(f"mpi: expected a timeout above 0 seconds, got {timeout}")
    line = _line()
    if line.size == 1:
        return Ranks()
    ranks = MPIRanks(line, timeout, synchronized)
    line.names = [ranks.name(rank) for rank in range(line.size)]
    if not on_device:
        return ranks
    from .device_ranks import DeviceRanks, Link  # imported where there is a device

    line.link = line.link or Link(ranks)
    return DeviceRanks(ranks, line.link)


def launched() -> bool:
    """Whether ``mpiexec``, or Slurm's ``srun``, has started this process as one of several."""
    return any(name in os.environ for name in _VARIABLES)


@cache
def _line() -> "_Line":
    """This process's only connection to the others."""
    # by default, Open MPI ends this process at a broken connection before it can name the other rank
    os.environ.setdefault("OMPI_MCA_mpi_initial_errhandler", "mpi_errors_return")
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # RuntimeError: there is no libmpi
        raise ImportError(
            f"mpi() needs mpi4py and an MPI, such as Open MPI ({error}): install xpnn's extra [mpi]"
        ) from error
    return _Line(MPI)


class _Line:
    """The connection of this process to the other ranks.

    No call blocks: the process polls whether an operation is complete, and for messages from other ranks that they are
    waiting too, or have failed.
    """

    def __init__(self, library: Any) -> None:
        self.MPI, self.world = library, library.COMM_WORLD
        self.rank, self.size = self.world.rank, self.world.size
        self.names = [f"rank {rank}" for rank in range(self.size)]
        self.link: Any = None  # between the ranks' devices
        self._count = 0  # operations so far, the same on all ranks
        self._waiting = dict[int, int]()  # by rank, the last operation in which it has said that it waits
        self._sent: list[Any] = []
        self._said, self._over = 0, False
        if self.size > 1:
            self._hook = sys.excepthook
            sys.excepthook = self._uncaught
            atexit.register(self._leave)

    def wait(self, done: Callable[[], bool], timeout: float) -> None:
        """Wait until ``done`` returns True, that is until an operation is complete.

        Raises:
            RankError: a rank has failed, or does not answer.
        """
        self._count += 1
        looks, begun = 0, time.monotonic()
        looked = begun
        try:
            while not done():
                now = time.monotonic()
                if now > looked + _LOOK:
                    looked = now
                    self._listen()
                    if now > begun + timeout / 2:
                        self._say_waiting()
                    if now > begun + timeout:
                        raise self._missing(timeout)
                looks += 1
                if looks % _LOOKS:
                    _give_way()  # other ranks may share the core
                else:
                    time.sleep(0 if now < begun + _BRIEF else _PAUSE)
        except self.MPI.Exception as error:
            raise self.failed(f"{self._lost()}: {error}") from error

    def fail(self, error: BaseException, say: Callable[[], object] = lambda: None) -> None:
        """Tell the other ranks, give them a moment to report the error themselves, and end all processes."""
        text = str(error)
        if not isinstance(error, RankError):
            text = f"{self.names[self.rank]} has failed: {type(error).__name__}: {text}"
        self._tell(_FAULT, text.encode())
        until = time.monotonic() + (1 if self.rank == 0 else 2)
        while time.monotonic() < until:
            with suppress(self.MPI.Exception):  # the receiver may be gone
                self.MPI.Request.Testall(self._sent)
            time.sleep(_LOOK)
        if self.rank > 0:  # rank 0 has reported it
            say()
        self._end()

    def _listen(self) -> None:
        """Read the messages that have arrived."""
        status = self.MPI.Status()
        while self.world.Iprobe(self.MPI.ANY_SOURCE, _FAULT, status):
            raise self.failed(self._read(status).decode(errors="replace"))
        while self.world.Iprobe(self.MPI.ANY_SOURCE, _WAITS, status):
            source = status.source
            self._waiting[source] = int.from_bytes(self._read(status), "little")
            self._say_waiting()  # the rank that began to wait first must know of all that wait

    def _read(self, status: Any) -> bytes:
        note = bytearray(status.Get_count(self.MPI.BYTE))
        self.world.Recv([note, self.MPI.BYTE], status.source, status.tag)
        return bytes(note)

    def _tell(self, tag: int, note: bytes) -> None:
        others = (rank for rank in range(self.size) if rank != self.rank)
        self._sent += [self.world.Isend([note, self.MPI.BYTE], rank, tag) for rank in others]

    def _say_waiting(self) -> None:
        if self._said != self._count:
            self._said = self._count
            self._tell(_WAITS, self._count.to_bytes(8, "little"))

    def _missing(self, timeout: float) -> RankError:
        others = [rank for rank in range(self.size) if rank != self.rank]
        absent = [rank for rank in others if self._waiting.get(rank, -1) < self._count - 1]  # some may be one ahead
        absent = absent or [rank for rank in others if self._waiting.get(rank) != self._count]
        names = ", ".join(self.names[rank] for rank in absent) or "the network between the ranks"
        return self.failed(
            f"{names} did not answer for {timeout:g} s, and hangs, was stopped or cannot be reached (if more time is "
            "needed, raise timeout, on the command line --rank-timeout)"
        )

    def _lost(self) -> str:
        """The ranks that have ended, which MPI knows if mpiexec was called with `--with-ft ulfm`; else a guess."""
        with suppress(self.MPI.Exception, AttributeError, NotImplementedError):
            group, world = self.world.Get_failed(), self.world.Get_group()
            if lost := group.Translate_ranks(None, world):
                return f"{', '.join(self.names[rank] for rank in lost)} was killed, or cannot be reached"
        return "another rank was killed, cannot be reached, or is at another step, perhaps because it has fewer batches"

    def failed(self, text: str) -> RankError:
        """The error to raise; from now on this process ends without waiting for the others."""
        self._over = True
        return RankError(text)

    def _uncaught(self, kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        self._hook(kind, error, traceback)
        self.fail(error)

    def _leave(self) -> None:
        """Called at the end of the process: after a failure, MPI would wait for the others forever."""
        if self._over:
            self._end()

    def _end(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        last = threading.Timer(3, os._exit, (1,))  # if MPI hangs, too
        last.daemon = True
        last.start()
        self.world.Abort(1)


class MPIRanks(Ranks):
    """The ranks that :func:`mpi` returns if arrays are on the host."""

    def __init__(self, line: _Line, timeout: float, synchronized: bool) -> None:
        self.rank, self.size, self.timeout, self.synchronized = line.rank, line.size, float(timeout), synchronized
        self._line = line
        self.hosts = [""] * line.size
        self.hosts = self.gather(line.MPI.Get_processor_name())

    def allreduce(self, *arrays: Array) -> None:
        world, in_place = self._line.world, self._line.MPI.IN_PLACE
        self._wait([world.Iallreduce(in_place, array) for array in arrays])

    def broadcast(self, *arrays: Array) -> None:
        self._wait([self._line.world.Ibcast(array) for array in arrays])

    def gather(self, value: Any) -> list[Any]:
        world = self._line.world
        data = np.frombuffer(pickle.dumps(value), "uint8")  # safe: only processes of this run exchange pickles
        sizes = np.empty(self.size, "int64")
        self._wait([world.Iallgather(np.array([data.size]), sizes)])
        joined = np.empty(sizes.sum(), "uint8")
        self._wait([world.Iallgatherv(data, [joined, sizes])])
        return [pickle.loads(one.tobytes()) for one in np.split(joined, sizes.cumsum()[:-1])]

    def fail(self, error: BaseException, say: Callable[[], object] = lambda: None) -> None:
        self._line.fail(error, say)

    def wait(self, done: Callable[[], bool]) -> None:
        """Wait until ``done`` returns True for an operation of all ranks. Errors as for the other methods."""
        self._line.wait(done, self.timeout)

    def failed(self, text: str) -> RankError:
        """The error to raise if an operation under :meth:`wait` fails."""
        return self._line.failed(text)

    def _wait(self, requests: list[Any]) -> None:
        self.wait(partial(self._line.MPI.Request.Testall, requests))
