"""A run's messages and progress bar; a stream that cannot be written to does not end the run."""

import sys
from typing import Any


def say(line: str) -> None:
    """Print a line, if stdout can be written to.

    Raises:
        BrokenPipeError: the reader is gone, as with ``| head``.
    """
    try:
        print(line, flush=True)
    except BrokenPipeError:
        raise
    except (OSError, ValueError):  # OSError: the log's disk is full; ValueError: the stream is closed
        pass


def bar_of(title: str, steps: int | None, done: int) -> Any:
    """A progress bar on a terminal, which follows the window's width; None without a terminal."""
    if sys.stderr is None or getattr(sys.stderr, "closed", False):
        return None
    from tqdm import tqdm  # here, so that importing xpnn costs little more than NumPy

    bar: Any = tqdm(None, title, steps, initial=done, leave=False, unit="step", disable=None, dynamic_ncols=True)
    return None if bar.disable else bar
