"""Let Ctrl-C and similar signals end a run between two steps, so that no step is left half done."""

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
    """A ``with`` block that Ctrl-C ends after the current step of :meth:`between`; a second Ctrl-C ends it at once.

    If the signal's handler is not Python's own, or outside the main thread, nothing is changed, and a KeyboardInterrupt
    ends the block wherever it is raised. In a :func:`terminable` block SIGTERM and SIGHUP act like Ctrl-C, but repeated
    ones do not end it sooner.

    Attributes:
        signal: the number of the signal that ended the block; 0 if none did.
        within: whether a step was under way when the block ended.
        received: the number of the first signal received; 0 if there was none.
    """

    signal = received = 0
    within = False

    def __init__(self, alone: bool = True) -> None:
        """``alone`` is False for several ranks: only the signal in ``agreed``, the same on all, then ends the block."""
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
        """The steps, unchanged; raises KeyboardInterrupt after a step if a signal has been received."""
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
    """Within this block SIGTERM and SIGHUP raise KeyboardInterrupt if they would end the process; yields these."""
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
    """Within this block SIGTERM and SIGHUP end the run after the current step; after the block they end the process."""
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
    """The number of the signal that raised the error; Python's own handler, for Ctrl-C, does not give it."""
    return error.args[0] if error.args and isinstance(error.args[0], int) else int(signal.SIGINT)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt(number)
