"""The command's output: failing to write it ends no work, and nothing in it can control a terminal."""

import argparse
import io
import json
import os
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Any


class Output:
    """A standard stream that writes control characters, and those that it cannot encode, as escapes.

    After an error nothing more is written, and ``error`` holds it. Only a reader that is gone, as with ``| head``,
    raises BrokenPipeError.
    """

    error: OSError | ValueError | None = None

    def __init__(self, stream: Any, keep: str = "\n\t") -> None:
        """``stream`` may be None, as without a console; the control characters in ``keep`` are not escaped."""
        self._stream, self._keep = stream or io.StringIO(), keep
        self._writable = stream is not None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        shown = escaped(text, self._keep).encode(encoding, "backslashreplace").decode(encoding)
        self._unless_broken(lambda: self._stream.write(shown))
        return len(text)

    def flush(self) -> None:
        self._unless_broken(self._stream.flush)

    def _unless_broken(self, act: Callable[[], object]) -> None:
        if not self._writable:
            return
        try:
            act()
        except (OSError, ValueError) as error:  # ValueError: the stream was closed
            self.error, self._writable = error, False
            with suppress(OSError, ValueError, AttributeError):  # drops the buffered rest, also at exit
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            if isinstance(error, BrokenPipeError):
                raise


@contextmanager
def standard_streams() -> Iterator[Output]:
    """Within this block standard output, which is yielded, and standard error are :class:`Output` streams."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # closed: otherwise the next file opened would get its number
            os.open(os.devnull, os.O_RDWR)
    output = Output(sys.stdout)
    with redirect_stdout(output), redirect_stderr(Output(sys.stderr, "\n\t\r")):
        try:
            yield output
        finally:  # flush here, where an error does no harm
            with suppress(BrokenPipeError):
                output.flush()


@contextmanager
def silent_libraries() -> Iterator[None]:
    """Within this block C code's output to standard error, such as libtiff's on a damaged file, is discarded."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextmanager
def answering(args: argparse.Namespace) -> Iterator[None]:
    """Within this block, if the arguments ask for JSON, only :func:`answer` writes to standard output.

    Everything else printed then goes to standard error, or with --quiet nowhere.
    """
    args.answers = sys.stdout
    aside = sys.stderr if getattr(args, "json", False) else sys.stdout
    with redirect_stdout(Output(None) if getattr(args, "quiet", False) else aside):
        yield


def answer(args: argparse.Namespace, text: str, **values: Any) -> None:
    """Print a command's result: the text, or with --json the values, as a JSON document in one line."""
    if args.json:
        print(json.dumps(values, allow_nan=False), file=args.answers, flush=True)
    else:
        print(text)


def escaped(text: str, keep: str = "") -> str:
    """The text with all control, format and surrogate characters, and line breaks, as Python's escapes.

    >>> print(escaped("red: \\x1b[31m"))
    red: \\x1b[31m
    """

    def safe(character: str) -> bool:
        return character.isprintable() or character in keep or unicodedata.category(character) == "Zs"

    return "".join(character if safe(character) else ascii(character)[1:-1] for character in text)


def tell(message: str, kind: str = "error") -> None:
    """Print an error or a warning in one line."""
    print(f"xpnn: {kind}: {' '.join(message.split())}", file=sys.stderr, flush=True)
