"""The command line: ``xpnn`` or ``python -m xpnn``."""

import argparse
import os
import re
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from .backend import ALONE, DeviceLostError, RankError, Ranks
from .cli import start
from .cli.parser import parsed
from .cli.streams import answering, standard_streams, tell
from .data.table import TableWarning
from .learn.words import translated
from .training import CheckpointWarning
from .training.interrupt import signal_of


def main(argv: list[str] | None = None) -> int:
    """Run one command; 0 for success, 1 after an error (printed in one line) or a failed check, 2 for wrong usage."""
    args, debug = None, False
    with standard_streams() as output, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings would appear between the command's own lines
        for own in _FOR_USERS:
            warnings.simplefilter("always", own)
        warnings.showwarning = partial(_show, warnings.showwarning)
        try:
            start.started()
            os.environ["MPLBACKEND"] = "agg"  # the inherited backend of a notebook's kernel may be missing here
            args = parsed(argv)
            debug = args.debug
            if debug:
                warnings.simplefilter("default")
            with answering(args):
                status: int | None = args.command(args)
            output.flush()
            if output.error is not None:
                raise OSError(f"standard output cannot be written to ({output.error})")
        except BrokenPipeError:  # as with `xpnn sample ... | head`
            return 141  # a shell's status for SIGPIPE
        except KeyboardInterrupt as error:
            number = signal_of(error)
            with suppress(OSError):  # SIGHUP is sent when the terminal is gone
                if _ranks(args).rank == 0:
                    print(f"xpnn: interrupted by {signal.Signals(number).name}", file=sys.stderr)
            return 128 + number  # a shell's status for it
        except Exception as error:  # one line for unforeseen errors, too
            if debug:
                traceback.print_exc()
            foreseen, ranks = isinstance(error, _FORESEEN) and str(error), _ranks(args)
            text = str(error) if foreseen else f"{type(error).__name__}: {error} (--debug shows where)"
            text, kind = (translated(one, getattr(args, "lang", "en")) for one in (text, "error"))
            text = re.sub(r"\[Errno \d+\] ", "", text)
            shown = text if ranks.rank == 0 or isinstance(error, RankError) else f"{ranks.name()}: {text}"
            say = partial(tell, shown, kind)
            if ranks.rank == 0:
                say()
            ranks.fail(error, say)
            if isinstance(error, DeviceLostError):
                output.flush()
                os._exit(1)  # else the destructor of every CuPy object would fail and print a traceback
            return 1
        return status or 0


def _show(show: Callable[..., None], message: Warning | str, category: type[Warning], *where: Any) -> None:
    """Show a warning for the user in one line; other warnings, with --debug, as Python shows them."""
    if issubclass(category, _FOR_USERS):
        tell(str(message), "warning")
    else:
        show(message, category, *where)


def _ranks(args: argparse.Namespace | None) -> Ranks:
    """The ranks that run the command together."""
    return getattr(args, "ranks", ALONE)


_FOR_USERS = (CheckpointWarning, TableWarning)
_FORESEEN = (ValueError, TypeError, OSError, ImportError, FloatingPointError, MemoryError, RuntimeError)


if __name__ == "__main__":
    sys.exit(main())
