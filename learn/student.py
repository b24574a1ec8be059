"""A student's file, run in a separate process with a time limit."""

import json
import os
import resource
import signal
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import numpy as np

from . import run as script

MEMORY, PRINTED, LONGEST = 4 << 30, 1 << 20, 1 << 22
"""Limits in bytes: of mapped memory, of a file that the process writes (its output, too), and of an answer."""


class Student:
    """The function of a file; a call runs it in the process and returns :func:`~.run.run`'s result, or a "fault".

    Attributes:
        late: whether the time limit was reached before the last answer.
    """

    def __init__(self, file: Path, function: str, seconds: float) -> None:
        self.late = False
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        command = [sys.executable, "-P", script.__file__, str(file.resolve()), function]
        threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self._process = Popen(
            command, stdin=PIPE, stdout=PIPE, stderr=self._said, env=os.environ | threads, start_new_session=True
        )
        for kind, limit in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_FSIZE, PRINTED)):
            with suppress(ValueError, OSError, AttributeError):  # prlimit is Linux's
                resource.prlimit(self._process.pid, kind, (limit, limit))
        self._watch = threading.Timer(seconds, self._stop, (True,))
        self._watch.daemon = True
        self._watch.start()

    def __enter__(self) -> "Student":
        return self

    def __exit__(self, *_: object) -> None:
        self._watch.cancel()
        self._stop()
        self._process.communicate()
        self._said.close()

    def __call__(self, arguments: dict[str, Any], dy: Any = None, start: float = 0.0) -> dict[str, Any]:
        request = script.packed({"arguments": arguments, "dy": dy, "start": start})
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = b""
        with suppress(OSError):
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline(LONGEST)
        try:
            answer = script.unpacked(json.loads(line))
            if not _is_answer(answer):
                raise ValueError  # the file itself has written an answer
        except (ValueError, TypeError):
            return {"fault": {"kind": "late" if self.late else "ended", "message": ""}}
        return answer

    @property
    def printed(self) -> str:
        """The file's output, at most 2,000 characters."""
        return os.pread(self._said.fileno(), 2_000, 0).decode("utf-8", "replace")

    def _stop(self, late: bool = False) -> None:
        self.late |= late
        with suppress(OSError):
            os.killpg(self._process.pid, signal.SIGKILL)


def _is_answer(answer: Any) -> bool:
    """Whether the answer has the form that :mod:`.run` writes."""
    if not isinstance(answer, dict):
        return False
    fault, gradients, moved = (answer.get(key) for key in ("fault", "gradients", "moved"))
    if fault is not None:
        return isinstance(fault, dict) and isinstance(fault.get("kind"), str)
    if not isinstance(gradients, dict) or not isinstance(moved, list):
        return False
    arrays = [answer.get("y"), *gradients.values()]
    return all(one is None or isinstance(one, np.ndarray) for one in arrays) and all(isinstance(o, str) for o in moved)
