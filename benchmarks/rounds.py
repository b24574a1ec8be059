"""Contenders by turns: the parent's side of the workers, and the interleaved rounds."""

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, suppress
from multiprocessing import Pipe
from pathlib import Path
from typing import Any, Self

import numpy as np
from contenders import CONTENDERS
from contenders.xpnn_ import initial_weights
from nets import Net, Task, make_batches


class WorkerError(Exception):
    """Why a contender did not run."""


def thread_variables(threads: int) -> dict[str, str]:
    """The environment that holds every library to this many threads."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    xla = {"XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={str(threads > 1).lower()}", "JAX_PLATFORMS": "cpu"}
    return {**dict.fromkeys(names, str(threads)), **xla, "NN_BACKEND": "numpy"}


class Process(AbstractContextManager["Process"]):
    """A worker process and the pipe to it."""

    def __init__(self, contender: str, threads: int) -> None:
        self.contender, self.threads = contender, threads
        self._start()

    def _start(self) -> None:
        self.connection, other = Pipe()
        command = [sys.executable, str(Path(__file__).parent / "worker.py"), self.contender, str(other.fileno())]
        environment = {**os.environ, **thread_variables(self.threads)}
        self.process = subprocess.Popen(
            command, pass_fds=(other.fileno(),), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        other.close()

    def ask(self, method: str, *arguments: Any) -> Any:
        """The answer of a :class:`worker.Worker` method.

        Raises:
            WorkerError: the contender cannot do it, or failed.
        """
        try:
            self.connection.send((method, arguments))
            reason, result = self.connection.recv()
        except (EOFError, ConnectionError) as error:
            self.close()
            code = self.process.returncode
            self._start()  # ready for what comes next
            raise WorkerError(f"its process ended with code {code}") from error
        if reason is not None:
            raise WorkerError(reason)
        return result

    def close(self) -> None:
        """Hang up, at which the process ends."""
        self.connection.close()
        self.process.wait()

    def __exit__(self, *_: object) -> None:
        self.close()


class Pool(AbstractContextManager["Pool"]):
    """One idle worker for each contender, all with the same number of threads.

    To be used for one measurement: what a process has allocated and freed decides whether it gets memory without page
    faults afterwards. A step of LeNet-5 on NumPy can take a fifth less after another network's, which no user runs.
    """

    def __init__(self, contenders: Iterable[str], threads: int) -> None:
        self.threads = threads
        self.processes = {name: Process(name, threads) for name in contenders}
        for process in self.processes.values():
            with suppress(WorkerError):  # one that cannot even be imported says so at build
                process.ask("ready")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():
            process.close()

    def measure(self, net: Net, batch: int, task: Task, plan: "Plan") -> dict[str, Any]:
        """Seconds per step of every contender in every round, and whether all did the same work."""
        weights, batches = initial_weights(net), make_batches(net, batch)
        cell: dict[str, Any] = {"net": net.name, "batch": batch, "task": task, "threads": self.threads}
        cell |= {"seconds": {}, "variant": {}, "losses": {}, "loss_difference": {}, "not_run": {}}
        for name, process in self.processes.items():
            try:
                cell["losses"][name], cell["variant"][name] = process.ask("build", net, task, weights, batches)
                cell["seconds"][name] = []
            except WorkerError as error:
                cell["not_run"][name] = str(error)
                plan.tick(plan.rounds)
            plan.tick(1)
        for order in plan.orders(list(cell["seconds"])):
            for name in (name for name in order if name in cell["seconds"]):
                try:
                    cell["seconds"][name].append(self.processes[name].ask("slice", plan.slice_s))
                except WorkerError as error:
                    cell["not_run"][name] = str(error)
                    del cell["seconds"][name]
                plan.tick(1)
        _compare_losses(cell)
        return cell


class Plan:
    """How long to measure: the rounds, and the seconds of each contender's slice in a round."""

    def __init__(self, rounds: int, slice_s: float, tick: Callable[[int], object] = lambda count: None) -> None:
        self.rounds, self.slice_s, self.tick = rounds, slice_s, tick

    def orders(self, names: list[str]) -> Iterable[list[str]]:
        """The contenders in a new random order each round, the same ones each time that the benchmark runs."""
        rng = random.Random(0)
        for _ in range(self.rounds):
            yield rng.sample(names, len(names))


def _compare_losses(cell: dict) -> None:
    ours = cell["losses"].get("xpnn", [])
    for name, losses in cell["losses"].items():
        if name != "xpnn" and ours and CONTENDERS[name].same_start:
            cell["loss_difference"][name] = float(np.max(np.abs(np.divide(losses, ours) - 1)))  # NaN stays NaN
