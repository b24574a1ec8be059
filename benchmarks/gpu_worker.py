"""One contender in a process of its own: ``python gpu_worker.py CONTENDER FILE_DESCRIPTOR`` answers its parent."""

import sys
import time
import warnings
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from gpu_contenders import build
from nets import CHECK_STEPS, Batches, Net, Task, Weights
from worker import serve

LEAST_STEPS = 10


def timed(run: Any, seconds: float) -> float:
    """Seconds a step, over about so many seconds and after as many, between two waits for the device."""
    began, warm = time.perf_counter(), 0
    while time.perf_counter() < began + seconds or warm < LEAST_STEPS:
        run.step()
        warm += 1
    run.finish()
    steps = max(LEAST_STEPS, round(seconds * warm / (time.perf_counter() - began)))
    began = time.perf_counter()
    for _ in range(steps):
        run.step()
    run.finish()
    return (time.perf_counter() - began) / steps


class Worker:
    """What the parent may ask for, by the methods' names."""

    def __init__(self, contender: str) -> None:
        self.contender = contender
        self.run: Any = None

    def build(self, net: Net, task: Task, weights: Weights, batches: Batches) -> list[float]:
        """The losses of the first steps from the initial weights."""
        self.run = None
        self.run = build(self.contender, net, task, weights, batches)
        self.run.start()
        losses = []
        for _ in range(CHECK_STEPS):
            self.run.step()
            self.run.finish()
            losses.append(float(self.run.value))
        return losses

    def slice(self, seconds: float) -> float:
        """Seconds a step."""
        return timed(self.run, seconds)

    def epoch(self, x: np.ndarray, y: np.ndarray, batch: int, on_device: bool, times: int) -> list[float]:
        """Seconds of each epoch but a first one."""
        seconds = []
        for _ in range(times + 1):
            began = time.perf_counter()
            self.run.epoch(x, y, batch, on_device)
            seconds.append(time.perf_counter() - began)
        return seconds[1:]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    # it need not rest, since it leaves the device alone while others run
    serve(Connection(int(sys.argv[2])), Worker(sys.argv[1]), lambda: None)  # type: ignore[arg-type]
