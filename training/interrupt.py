"""Ctrl-C and its like between two steps, where no step is half done."""

import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn, TypeVar

from .history import History

T = TypeVar("T")

_TERMINATING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Interruptible:
    """A ``with`` block that Ctrl-C ends after the current step of :meth:`between`; pressed twice, at once.

    If the handler is not Python's own, or in another thread than the main one, nothing is changed, and a
    KeyboardInterrupt ends the block wherever it is raised. In a :func:`terminable` block SIGTERM and SIGHUP do the same
    as Ctrl-C, but may come several times.

    Attributes:
        signal: the number of the signal that ended the block; 0 if none did.
        within: whether a step was under way when the block ended.
        received: the number of the first signal that has come; 0 if none has.
    """

    signal = received = 0
    within = False

    def __init__(self, alone: bool = True) -> None:
        """Of several ranks, none ends on its own: the signal that all have agreed on is written to ``agreed``."""
        self._alone, self.agreed = alone, 0

    def __enter__(self) -> "Interruptible":
        self._replaced: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, *_TERMINATING):
                if signal.getsignal(number) in (signal.default_int_handler, _interrupt):
                    self._replaced[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        for number, handler in self._replaced.items():
            if signal.getsignal(number) == self._receive:
                signal.signal(number, handler)
        if not isinstance(error, KeyboardInterrupt):
            return False
        self.signal = signal_of(error)
        return True

    def between(self, steps: Iterable[T]) -> Iterator[T]:
        """The steps, unchanged; raises KeyboardInterrupt between two of them if a signal has come."""
        for step in steps:
            self.within = True
            yield step
            self.within = False
            if due := self.received if self._alone else self.agreed:
                raise KeyboardInterrupt(due)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.received and number == signal.SIGINT:
            raise KeyboardInterrupt(number)
        self.received = self.received or number


@contextmanager
def terminable() -> Iterator[Sequence[int]]:
    """A block in which SIGTERM and SIGHUP raise KeyboardInterrupt, where they would have ended the process: these."""
    ours = []
    if threading.current_thread() is threading.main_thread():
        ours = [number for number in _TERMINATING if signal.getsignal(number) is signal.SIG_DFL]
    try:
        for number in ours:
            signal.signal(number, _interrupt)
        yield ours
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def saving_first(history: History) -> Iterator[None]:
    """A block of a run that SIGTERM and SIGHUP end after the current step; then they end the process, as always."""
    with terminable() as ours:
        try:
            yield
            number = history.signal
        except KeyboardInterrupt as error:
            number = signal_of(error)
            if number not in ours:
                raise
    if number in ours:
        signal.raise_signal(number)


def signal_of(error: KeyboardInterrupt) -> int:
    """The number of the signal that raised it; Python's own handler, for Ctrl-C, names none."""
    return error.args[0] if error.args and isinstance(error.args[0], int) else int(signal.SIGINT)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt(number)
