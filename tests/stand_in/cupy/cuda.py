"""As much of ``cupy.cuda`` as the package asks for: its device, streams, graphs, pools and pinned memory."""

from types import SimpleNamespace

from ._memory import MemoryPool, OutOfMemoryError, alloc_pinned_memory, using_allocator
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


class Device:
    """The one device."""

    id = 0
    mem_info = (1 << 30, 1 << 30)
    compute_capability = "90"

    def synchronize(self) -> None:
        record("waits", "Device.synchronize")


runtime = SimpleNamespace(
    CUDARuntimeError=CUDARuntimeError,
    driverGetVersion=lambda: 12040,
    getDeviceCount=lambda: 1,
    getDeviceProperties=lambda device: {"name": b"CPU stand-in", "multiProcessorCount": 1},
    memGetInfo=lambda: (1 << 29, 1 << 30),
    runtimeGetVersion=lambda: 13000,
)
memory = SimpleNamespace(OutOfMemoryError=OutOfMemoryError)


def is_available() -> bool:
    return True
