"""What a run shows of itself; a stream that cannot take it costs no training."""

import sys
from collections.abc import Iterable
from itertools import islice
from typing import Any


def say(line: str) -> None:
    """Print a line, if there is somewhere to print it to.

    Raises:
        BrokenPipeError: the reader has gone, as with ``| head``.
    """
    try:
        print(line, flush=True)
    except BrokenPipeError:
        raise
    except (OSError, ValueError):  # the disk of a log is full; ValueError: the stream is closed
        pass


def progress(batches: Iterable[Any], done: int, steps: int, title: str, verbose: bool) -> Iterable[Any]:
    """The batches but those done before, with a progress bar, which appears only on a terminal."""
    batches = islice(batches, done, None)
    if not verbose or sys.stderr is None or getattr(sys.stderr, "closed", False):
        return batches
    from tqdm import tqdm  # here, so that importing xpnn costs little more than NumPy

    return tqdm(batches, title, steps, initial=done, leave=False, unit="step", disable=None)
