"""Training on several ranks of this machine: `python benchmarks/ranks.py [--steps 60] > ranks.json`.

Each network is timed by one process with as many threads as there are ranks otherwise, and by 1, 2 and 4 ranks of one
thread: for one batch that is divided (strong scaling) and for a share that stays (weak scaling). A model, seconds of a
step = of_step + of_sample * samples of the share + Allreduce, is fitted to one rank's times and to the Allreduce alone,
and compared with what was measured; `allreduce.py` then says for each network where more ranks stop paying.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from allreduce import NETWORKS, Network, pays_up_to, ring

import xpnn as nn

BATCH, SHARE, RANKS = 64, 32, (1, 2, 4)


NETS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "MLP 784-256-128-10": (lambda: nn.MLP((784, 256, 128, 10), rng=0), (784,)),
    "LeNet-5": (lambda: nn.LeNet5(rng=0), (1, 28, 28)),
    "MLP 784-2048-2048-10": (lambda: nn.MLP((784, 2048, 2048, 10), rng=0), (784,)),
}


class Clock(nn.Callback):
    """When each step has ended."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_batch_end(self, batch, logs):
        self.times.append(time.perf_counter())


def seconds(build: Any, shape: tuple[int, ...], batch: int, steps: int, ranks: nn.Ranks) -> float:
    """The least of the steps, since the machine may have other work."""
    rng, clock = np.random.default_rng(0), Clock()
    x, y = rng.standard_normal((4 * batch, *shape), dtype="float32"), rng.integers(0, 10, 4 * batch)
    options: dict[str, Any] = {"optimizer": nn.SGD(0.01, momentum=0.9), "verbose": False, "callbacks": [clock]}
    nn.fit(build(), x, y, epochs=-(-steps // 4), batch_size=batch, ranks=ranks, **options)
    return float(np.diff(clock.times).min())


def of_allreduce(size: int, ranks: nn.Ranks, repeats: int = 60) -> float:
    """The least time of one Allreduce of so many float32."""
    array, times = np.ones(size, "float32"), []
    for _ in range(repeats):
        ranks.gather(0)
        began = time.perf_counter()
        ranks.allreduce(array)
        times.append(time.perf_counter() - began)
    return float(min(times))


def worker(steps: int) -> None:
    """What one number of ranks takes, as a JSON document of rank 0."""
    ranks, found = nn.mpi(timeout=300), {}
    for name, (build, shape) in NETS.items():
        size = build().flat_params.size
        shares = {} if ranks.size > 1 else {n: seconds(build, shape, n, steps, ranks) for n in (SHARE // 2, SHARE)}
        found[name] = {
            "bytes": 4 * size, "strong": seconds(build, shape, BATCH, steps, ranks),
            "weak": seconds(build, shape, SHARE * ranks.size, steps, ranks), "allreduce": of_allreduce(size, ranks),
            "of shares": shares,
        }  # fmt: skip
    sizes = (1_000, 30_000, 300_000, 3_000_000)
    found["allreduce"] = {4 * size: of_allreduce(size, ranks) for size in sizes}
    if ranks.rank == 0:
        print(json.dumps(found))


def measured(steps: int) -> Iterator[tuple[str, Any]]:
    """By the number of ranks; and of one process with threads."""
    mpiexec = str(Path(sys.executable).with_name("mpiexec"))
    for ranks in RANKS:
        command = [mpiexec, "--oversubscribe", "--allow-run-as-root", "-n", str(ranks)]
        yield f"{ranks} ranks", _run(command, 1, steps)
        if ranks > 1:
            yield f"{ranks} threads", _run([], ranks, steps)


def _run(launcher: list[str], threads: int, steps: int) -> Any:
    own = {name: str(threads) for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")}
    command = [*launcher, sys.executable, __file__, "--worker", "--steps", str(steps)]
    return json.loads(subprocess.run(command, env=os.environ | own, check=True, capture_output=True).stdout)


def model(found: dict[str, Any]) -> dict[str, Any]:
    """What is fitted, what it foretells of the measured points, and where more ranks stop paying elsewhere."""
    here = {n: _link(found[f"{n} ranks"]["allreduce"], n) for n in RANKS[1:]}
    told: dict[str, Any] = {"link": here}
    for name in NETS:
        one = found["1 ranks"][name]
        few, many = (one["of shares"][str(n)] for n in (SHARE // 2, SHARE))
        of_sample = (one["strong"] - few) / (BATCH - SHARE // 2)
        of_step = max(0.0, few - of_sample * SHARE // 2)
        points = {}
        for n in RANKS[1:]:
            cores = min(n, len(os.sched_getaffinity(0))) / n
            computed = (of_step + of_sample * BATCH / n) / cores
            foretold = computed + float(ring(np.zeros(n), one["bytes"], here[n]).max())
            points[n] = {"foretold": foretold, "measured": found[f"{n} ranks"][name]["strong"]}
        limits = {
            of: {batch: pays_up_to(batch, of_step, of_sample, one["bytes"], network=network) for batch in (BATCH, 4096)}
            for of, network in NETWORKS.items()
        }
        told[name] = {"of_step": of_step, "of_sample": of_sample, "points": points, "pays up to": limits, "check": many}
    return told


def _link(times: dict[str, float], n: int) -> Network:
    """Latency and bandwidth by which a ring takes the measured times."""
    sizes = np.array([float(size) for size in times])
    slope, start = np.polyfit(sizes, list(times.values()), 1, w=1 / np.array(list(times.values())))
    messages = 2 * (n - 1)
    return Network(max(1e-7, start / messages), messages / n / slope, "measured here")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worker", action="store_true")
    parser.add_argument("--steps", type=int, default=60)
    args = parser.parse_args()
    if args.worker:
        worker(args.steps)
    else:
        found = dict(measured(args.steps))
        print(json.dumps({"measured": found, "model": model(found)}, indent=1))
