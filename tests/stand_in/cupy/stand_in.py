"""What crossed the border between host and device: the counters that the tests read. No part of CuPy's interface."""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_FOLDER = os.path.dirname(__file__)


class Traffic:
    """Counts since the last reset.

    Attributes:
        uploads: copies from host to device.
        downloads: copies from device to host; each waits for the device, and so does float() or bool() of an array.
        waits: other waits, for the device alone or for the size of a result (a masked selection, nonzero).
        holds: waits for an event, which leave the device at work on what was given to it since.
        events: each of them in a line, with the place in the code that asked for it, and how often.
        order: copies on a stream, waits of one stream for another and launches of graphs, in their order.
        launches: operations that take CuPy a launch or more, by name; with a step that is captured, those captured.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.uploads = self.downloads = self.waits = self.holds = 0
        self.events: Counter[str] = Counter()
        self.order: list[tuple[Any, ...]] = []
        self.launches: Counter[str] = Counter()

    @property
    def synchronisations(self) -> int:
        """How often the host waited for the device."""
        return self.downloads + self.waits

    def __str__(self) -> str:
        lines = [f"  {count} x {event}" for event, count in self.events.items()]
        return "\n".join([f"{self.uploads} uploads, {self.downloads} downloads, {self.waits} other waits", *lines])


traffic = Traffic()
"""Of the whole process."""

_watching = [traffic]


@contextmanager
def watch() -> Iterator[Traffic]:
    """What crosses the border inside the ``with`` block."""
    own = Traffic()
    _watching.append(own)
    try:
        yield own
    finally:
        _watching.remove(own)


def on_crossing(what: str) -> None:
    """Replaced by what refuses crossings while a stream is capturing."""


def happened(*what: Any) -> None:
    """Note what the order of streams is judged by."""
    for one in _watching:
        one.order.append(what)


def launched(what: str) -> None:
    """Note an operation that the device does."""
    for one in _watching:
        one.launches[what] += 1


def record(kind: str, what: str) -> None:
    """Note one crossing.

    Args:
        kind: "uploads", "downloads", "waits" or "holds".
        what: in words, for the reader of a failed test.
    """
    on_crossing(what)
    event = f"{kind[:-1]}: {what}, {_place()}"
    for one in _watching:
        setattr(one, kind, getattr(one, kind) + 1)
        one.events[event] += 1


def _place() -> str:
    """The nearest line of code outside the stand-in and the package's backend, which only carries things over."""
    frame = sys._getframe(1)
    while frame.f_back:
        folder = os.path.dirname(frame.f_code.co_filename)
        wrapper = os.path.basename(frame.f_code.co_filename) == "contextlib.py"
        if not folder.startswith(_FOLDER) and os.path.basename(folder) != "backend" and not wrapper:
            break
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
