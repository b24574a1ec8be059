"""As much of ``cupy.cuda`` as the package asks for: its device, streams, graphs, pools and pinned memory."""

import os
from types import SimpleNamespace

from ._memory import MemoryPool, OutOfMemoryError, alloc_pinned_memory, thread, using_allocator
from ._streams import CUDARuntimeError, Event, Graph, Stream, get_current_stream
from .stand_in import record

__all__ = [
    "Device",
    "Event",
    "Graph",
    "MemoryPool",
    "Stream",
    "alloc_pinned_memory",
    "get_current_stream",
    "is_available",
    "memory",
    "runtime",
    "using_allocator",
]


DEVICES = int(os.environ.get("STAND_IN_DEVICES", "1"))
"""Of the machine; all memory is one device's."""


class Device:
    """The current one, or another."""

    mem_info = (1 << 30, 1 << 30)
    compute_capability = "90"

    def __init__(self, device: int | None = None) -> None:
        self.id = thread.device if device is None else device

    @property
    def pci_bus_id(self) -> str:
        return f"0000:{self.id:02X}:00.0"

    def use(self) -> "Device":
        if not 0 <= self.id < DEVICES:
            raise CUDARuntimeError(101, "cudaErrorInvalidDevice: invalid device ordinal")
        thread.device = self.id
        return self

    def synchronize(self) -> None:
        record("waits", "Device.synchronize")


runtime = SimpleNamespace(
    CUDARuntimeError=CUDARuntimeError,
    driverGetVersion=lambda: 12040,
    getDeviceCount=lambda: DEVICES,
    getDeviceProperties=lambda device: {"name": b"CPU stand-in", "multiProcessorCount": 1},
    memGetInfo=lambda: (1 << 29, 1 << 30),
    runtimeGetVersion=lambda: 13000,
)
memory = SimpleNamespace(OutOfMemoryError=OutOfMemoryError)


def is_available() -> bool:
    return True
