"""What a run shows of itself; a stream that cannot take it costs no training."""

import sys
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


def bar_of(title: str, steps: int | None, done: int) -> Any:
    """A progress bar on a terminal, as wide as its window at each time; None where there is no terminal."""
    if sys.stderr is None or getattr(sys.stderr, "closed", False):
        return None
    from tqdm import tqdm  # here, so that importing xpnn costs little more than NumPy

    bar: Any = tqdm(None, title, steps, initial=done, leave=False, unit="step", disable=None, dynamic_ncols=True)
    return None if bar.disable else bar
