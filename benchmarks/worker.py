"""One contender in a process of its own: ``python worker.py CONTENDER FILE_DESCRIPTOR`` answers a parent's requests.

It blocks on its pipe while others run. The parent sets the thread variables; with one thread the process is bound to
one CPU besides, which holds for every library alike.
"""

import os
import resource
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

if os.environ.get("OMP_NUM_THREADS") == "1":
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # before any library asks how many CPUs there are

import numpy as np
from contenders import CONTENDERS, Run
from nets import CHECK_STEPS, Batches, Net, Task, Weights

WARM_UP_S, TRIAL_S, LEAST_STEPS = 0.03, 0.1, 3


def timed(run: Run, seconds: float) -> float:
    """Seconds per step, over a slice of about ``seconds`` that starts from the initial weights."""
    run.start()
    began = time.perf_counter()
    warm = 0
    while time.perf_counter() < began + WARM_UP_S:  # fills the caches, wakes the threads
        run.step()
        warm += 1
    steps = max(LEAST_STEPS, round(seconds * warm / (time.perf_counter() - began)))
    began = time.perf_counter()
    for _ in range(steps):
        run.step()
    return (time.perf_counter() - began) / steps


def _checked(run: Run) -> list[float]:
    run.start()
    losses = []
    for _ in range(CHECK_STEPS):
        run.step()
        losses.append(run.loss())
    return losses


class Worker:
    """What the parent may ask for, by the methods' names."""

    def __init__(self, contender: str) -> None:
        self.module = CONTENDERS[contender].load()
        self.imported = _resident("VmRSS")
        self.run: Run | None = None

    def ready(self) -> None:
        """Answers when the library is imported."""

    def build(self, net: Net, task: Task, weights: Weights, batches: Batches) -> tuple[list[float], str]:
        """Build each variant and keep the quickest: the losses of its first steps, and its name."""
        self.run = None
        names = self.module.variants(net, task)
        runs = {name: self.module.build(net, task, weights, batches, name) for name in names}
        losses = {name: _checked(run) for name, run in runs.items()}
        if len(runs) == 1:
            best = names[0]
        else:
            trials = {name: min(timed(run, TRIAL_S) for _ in range(2)) for name, run in runs.items()}
            best = min(trials, key=trials.__getitem__)
        self.run = runs[best]
        return losses[best], best

    def slice(self, seconds: float) -> float:
        """Seconds per step."""
        return timed(self.run, seconds)

    def memory_before(self) -> dict[str, int]:
        """Bytes resident after the import, and after a first small operation."""
        self.module.first_operation()
        return {"import": self.imported, "first operation": _resident("VmRSS")}

    def memory_peak(self, net: Net, task: Task, weights: Weights, batches: Batches, steps: int) -> int:
        """Bytes resident at the peak of building a network and making some steps."""
        with suppress(OSError):  # where it may not be reset, the peak since the start is the best there is
            Path("/proc/self/clear_refs").write_text("5")
        run = self.module.build(net, task, weights, batches, self.module.variants(net, task)[-1])
        run.start()
        for _ in range(steps):
            run.step()
        return _resident("VmHWM")


def _resident(field: str) -> int:
    """VmRSS (now) or VmHWM (the peak) of this process, in bytes."""
    with suppress(OSError):
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field))
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def settle() -> None:
    """Wait until this process's threads rest: OpenBLAS's spin for 0.1 s after their last product, in others' time."""
    until = time.perf_counter() + 1.0
    while time.perf_counter() < until:
        before = time.process_time()  # of all threads
        time.sleep(0.01)
        if time.process_time() - before < 0.001:
            return


def serve(connection: Connection, worker: Worker, rest: Callable[[], None] = settle) -> None:
    """Answer (method, arguments) with (None, result) or (reason, None) after a rest, until the parent hangs up."""
    while True:
        try:
            method, arguments = connection.recv()
        except EOFError:
            return
        answer: Callable[..., Any] = getattr(worker, method)
        reason, result = None, None
        try:
            result = answer(*arguments)
        except NotImplementedError as error:
            reason = str(error)
        except Exception as error:  # whatever a library raises is a line in the report, not the end of the run
            text = str(error).strip() or "no message"
            reason = f"{type(error).__name__}: {text.splitlines()[0][:200]}"
        rest()
        connection.send((reason, result))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    np.random.seed(0)
    serve(Connection(int(sys.argv[2])), Worker(sys.argv[1]))
