"""Answer Ctrl-C while the command ``xpnn`` starts by one line, not by a traceback from NumPy's import.

The package imports this module before all others, since the command's own code runs only after them.
"""

import os
import signal
import sys
from types import FrameType


def _quit(number: int, frame: FrameType | None) -> None:
    try:
        os.write(2, b"xpnn: interrupted\n")
    finally:
        os._exit(130)  # an exception would pass through the modules being imported


def started() -> None:
    """From here on Ctrl-C is a KeyboardInterrupt."""
    if signal.getsignal(signal.SIGINT) is _quit:
        signal.signal(signal.SIGINT, signal.default_int_handler)


_program = sys.argv[0] if sys.argv else ""
_is_command = (_program == "-m" and "xpnn" in sys.orig_argv) or os.path.basename(_program) in ("xpnn", "xpnn.exe")
if _is_command and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, _quit)
