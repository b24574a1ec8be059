"""Ranks whose arrays are on devices: NCCL sums them if it can, else MPI does, through pinned host memory."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .border import border
from .ranks import Ranks
from .select import Array, xp

_xp: Any = xp
_SUCCESS, _IN_PROGRESS = 0, 7  # ncclResult_t
_GRACE = 2.0  # seconds for MPI to name the rank that NCCL has lost, and for NCCL to abort


class DeviceRanks(Ranks):
    """The ranks that :func:`mpi` returns if arrays are on a device.

    The host waits for each operation, since otherwise it would not notice that another rank is gone. A captured step
    therefore never contains an operation of the ranks: it ends before the operation, and another begins after it.
    """

    def __init__(self, by_host: Any, link: "Link") -> None:
        self.rank, self.size, self.hosts = by_host.rank, by_host.size, by_host.hosts
        self.synchronized = by_host.synchronized
        self._by_host, self._link = by_host, link

    def allreduce(self, *arrays: Array) -> None:
        def start(array: Array, stream: int) -> None:
            self._link.communicator.allreduce(array, array, self._link.nccl.SUM, stream=stream)

        self._carry(arrays, start, self._by_host.allreduce)

    def broadcast(self, *arrays: Array) -> None:
        def start(array: Array, stream: int) -> None:
            self._link.communicator.broadcast(array, array, 0, stream=stream)

        self._carry(arrays, start, self._by_host.broadcast)

    def gather(self, value: Any) -> list[Any]:
        return self._by_host.gather(value)

    def fail(self, error: BaseException, say: Callable[[], object] = lambda: None) -> None:
        self._by_host.fail(error, say)

    def __str__(self) -> str:
        return f"{super().__str__()}, {self._link}"

    def _carry(self, arrays: Sequence[Array], start: Callable[[Array, int], None], by_host: Any) -> None:
        arrays = [array for array in arrays if array.size]
        border.crossings += 1  # prevents the capture of a step that contains this operation
        if self._link.communicator is None:
            _through_pinned(arrays, by_host)
        else:
            self._link.carry(arrays, start, self._by_host.wait)


class Link:
    """This process's link to the other ranks' devices: a communicator of NCCL, or None and the reason.

    Args:
        ranks: the ranks by MPI.

    Raises:
        RankError: a rank does not respond, or NCCL cannot start.
    """

    communicator: Any = None

    def __init__(self, ranks: Any) -> None:
        self.nccl, missing = _nccl()
        self._ranks, self._lost = ranks, 0.0
        key = bytes(self.nccl.get_unique_id()) if ranks.rank == 0 and not missing else b""
        every = ranks.gather((missing, _xp.cuda.Device().pci_bus_id, key))
        self.why = next((f"{ranks.name(rank)}: {why}" for rank, (why, _, _) in enumerate(every) if why), "")
        if len({(host, device) for host, (_, device, _) in zip(ranks.hosts, every, strict=True)}) < ranks.size:
            self.why = "several ranks share a device"
        if not self.why:
            self.communicator = self.nccl.Communicator.init(
                ranks.size,
                ranks.rank,
                self.nccl.UniqueId.from_bytes(every[0][2]),
                self.nccl.NCCLConfig(blocking=False),  # so that a missing rank is noticed
            )
            self._wait(self._ready, ranks.wait)

    def carry(self, arrays: Sequence[Array], start: Callable[[Array, int], None], wait: Any) -> None:
        """Start an operation on each array, and wait until the device has completed all."""
        stream = _xp.cuda.get_current_stream()
        with self.nccl.group():
            for array in arrays:
                start(array, stream.ptr)
        self._wait(self._ready, wait)  # until then nothing else may be put into the stream
        done = stream.record(_xp.cuda.Event(disable_timing=True))
        self._wait(lambda: self._ready() and done.done, wait)

    def __str__(self) -> str:
        return f"through pinned host memory ({self.why})" if self.why else "by NCCL"

    def _ready(self) -> bool:
        """Whether NCCL has handed the operations to the device."""
        state = self.communicator.get_async_error()
        if state in (_SUCCESS, _IN_PROGRESS):
            return bool(state == _SUCCESS)
        self._lost = self._lost or time.monotonic()
        if time.monotonic() > self._lost + _GRACE:
            told = f"{self.nccl.get_error_string(state)}: {self.communicator.get_last_error()}"
            raise self._ranks.failed(f"NCCL has failed on {self._ranks.name()}: {told}")
        return False

    def _wait(self, done: Callable[[], bool], wait: Callable[[Callable[[], bool]], None]) -> None:
        try:
            wait(done)
        except BaseException:
            # a kernel that waits for a rank that is gone would block the device forever
            abort = threading.Thread(target=self.communicator.abort, daemon=True)
            abort.start()
            abort.join(_GRACE)
            self.communicator, self.why = None, "NCCL has failed"
            raise


def _nccl() -> tuple[Any, str]:
    """NVIDIA's nccl4py and "", or None and the reason why it cannot be used."""
    try:
        import nccl.core as nccl

        nccl.get_error_string(_SUCCESS)  # loads NCCL itself
    except (ImportError, RuntimeError) as error:
        return None, f"no NCCL ({str(error).strip()}): install xpnn's extra [nccl]"
    return nccl, ""


def _through_pinned(arrays: Sequence[Array], by_host: Callable[..., None]) -> None:
    """Copy the arrays to the host, run MPI's operation on all of them at the same time, and copy them back."""
    stream, hosts = _xp.cuda.get_current_stream(), []
    for array in arrays:
        memory = _xp.cuda.alloc_pinned_memory(array.nbytes)
        hosts.append(np.frombuffer(memory, array.dtype, array.size).reshape(array.shape))
        array.get(out=hosts[-1], blocking=False)  # type: ignore[attr-defined]
    stream.synchronize()
    by_host(*hosts)
    for array, host in zip(arrays, hosts, strict=True):
        array.set(host, stream)  # type: ignore[attr-defined]
    stream.synchronize()  # from now on the pinned memory may be reused
