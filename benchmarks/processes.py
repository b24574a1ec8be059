"""What a library costs before and beside its arithmetic: memory of a training run, time to import."""

import os
import random
import statistics
import subprocess
import sys
import time

from contenders.xpnn_ import initial_weights
from nets import NETS, make_batches
from rounds import Process, WorkerError, thread_variables

MEMORY_STEPS, MEMORY_BATCH = 20, 256


def memory(nets: list[str], contenders: list[str], threads: int) -> list[dict]:
    """For each network and contender: bytes after import, after a first operation, and at the training's peak."""
    rows = []
    for name in nets:
        net = NETS[name]
        arguments = (net, "sgd", initial_weights(net), make_batches(net, MEMORY_BATCH, 1), MEMORY_STEPS)
        for contender in contenders:
            with Process(contender, threads) as process:
                try:
                    before = process.ask("memory_before")
                    rows.append(
                        {"net": name, "contender": contender, **before, "peak": process.ask("memory_peak", *arguments)}
                    )
                except WorkerError as error:
                    rows.append({"net": name, "contender": contender, "not_run": str(error)})
    return rows


def import_times(libraries: list[str], runs: int) -> dict[str, list[float]]:
    """Seconds that ``python -c "import X"`` takes beyond ``python -c pass``, in fresh processes by turns."""
    environment = {**os.environ, **thread_variables(len(os.sched_getaffinity(0)))}
    environment["PYTHONDONTWRITEBYTECODE"] = ""  # else an editable installation is compiled at each import
    codes = {"": "pass", **{library: f"import {library}" for library in libraries}}
    seconds: dict[str, list[float]] = {library: [] for library in codes}
    rng = random.Random(0)
    for run in range(runs + 1):
        for library in rng.sample(list(codes), len(codes)):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", codes[library]], env=environment, check=True)
            if run:  # the first one fills the file cache
                seconds[library].append(time.perf_counter() - began)
    bare = statistics.median(seconds.pop(""))
    return {library: [value - bare for value in values] for library, values in seconds.items()}
