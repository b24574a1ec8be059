"""As much of ``cupy.cuda`` as a program asks that wants to know its device and to wait for it."""

from types import SimpleNamespace
from typing import Any

from .stand_in import record


class Device:
    """The one device."""

    id = 0
    mem_info = (1 << 30, 1 << 30)

    def synchronize(self) -> None:
        record("waits", "Device.synchronize")


class Stream:
    """The one stream; what was given to it is done already."""

    def synchronize(self) -> None:
        record("waits", "Stream.synchronize")


runtime = SimpleNamespace(
    getDeviceCount=lambda: 1,
    getDeviceProperties=lambda device: {"name": b"CPU stand-in"},
    runtimeGetVersion=lambda: 13000,
)


def get_current_stream(device_id: Any = -1) -> Stream:
    return Stream()


def is_available() -> bool:
    return True
