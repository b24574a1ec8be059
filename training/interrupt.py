"""Ctrl-C between two steps, where no step is half done."""

import signal
import threading
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import TypeVar

T = TypeVar("T")


class Interruptible:
    """A ``with`` block that Ctrl-C ends after the current step of :meth:`between`; pressed twice, at once.

    If the handler is not Python's own, or in another thread than the main one, nothing is changed, and a
    KeyboardInterrupt ends the block wherever it is raised. ``interrupted`` says whether one ended the block.
    """

    interrupted = _pressed = False

    def __enter__(self) -> "Interruptible":
        in_main = threading.current_thread() is threading.main_thread()
        self._ours = in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._ours:
            signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> bool:
        if self._ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        self.interrupted = isinstance(error, KeyboardInterrupt)
        return self.interrupted

    def between(self, steps: Iterable[T]) -> Iterator[T]:
        """The steps, unchanged; raises KeyboardInterrupt between two of them if Ctrl-C was pressed."""
        for step in steps:
            yield step
            if self._pressed:
                raise KeyboardInterrupt

    def _press(self, number: int, frame: FrameType | None) -> None:
        if self._pressed:
            signal.default_int_handler(number, frame)
        self._pressed = True
