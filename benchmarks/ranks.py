"""Training on several ranks of this machine: `python benchmarks/ranks.py [--rounds 3] > ranks.json`.

The benchmark's networks, and a large MLP, are timed by 1, 2 and 4 ranks of one thread and by one process with as many
threads: for one batch that is divided (strong scaling) and for a share that stays (weak scaling). A model, seconds of a
step = slower * (of_step + of_sample * samples of the share) + Allreduce, is fitted to one rank's times, to those of
ranks that train at the same time without each other, and to the Allreduce alone. It is compared with what was measured;
`allreduce.py` then says for each network where more ranks stop paying.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from allreduce import NETWORKS, Network, pays_up_to, ring, step
from contenders.xpnn_ import model as network
from nets import NETS

import xpnn as nn

BATCH, SHARE, RANKS = 64, 16, (1, 2, 4)
SIZES = 1_000, 30_000, 300_000, 3_000_000
NAMES = "mlp", "lenet5-tanh-avg", "rnn", "vgg", "large mlp"


def built(name: str) -> tuple[nn.Layer, tuple[int, ...]]:
    """A new network, and the shape of a sample."""
    if name == "large mlp":
        return nn.MLP((784, 2048, 2048, 10), rng=0), (784,)
    return network(NETS[name]), NETS[name].shape


class Clock(nn.Callback):
    """When each step has ended."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_batch_end(self, batch, logs):
        self.times.append(time.perf_counter())


def seconds(name: str, batch: int, ranks: nn.Ranks | None = None) -> float:
    """The lower quartile of the steps of half a second and more, since the machine may have other work."""
    (model, shape), rng, clock = built(name), np.random.default_rng(0), Clock()
    x, y = rng.standard_normal((8 * batch, *shape), dtype="float32"), rng.integers(0, 10, 8 * batch)
    options: dict[str, Any] = {"optimizer": nn.SGD(0.01, momentum=0.9), "verbose": False, "callbacks": [clock]}
    options["on_epoch_end"] = lambda history: clock.times[-1] - clock.times[0] > 0.5
    nn.fit(model, x, y, epochs=100, batch_size=batch, ranks=ranks, **options)
    return float(np.quantile(np.diff(clock.times), 0.25))


def sent(name: str, ranks: nn.Ranks) -> list[int]:
    """The bytes of each Allreduce of a step; in a ring a rank sends 2 (n - 1) messages for each, of 1/n of them."""
    (model, shape), found, allreduce = built(name), list[int](), ranks.allreduce

    def counted(*arrays: Any) -> None:
        found.extend(array.nbytes for array in arrays)
        allreduce(*arrays)

    vars(ranks)["allreduce"] = counted
    nn.fit(model, np.zeros((BATCH, *shape)), np.zeros(BATCH, int), epochs=1, ranks=ranks, verbose=False)
    del vars(ranks)["allreduce"]
    return found


def of_allreduce(size: int, ranks: nn.Ranks, repeats: int = 30) -> float:
    """The lower quartile of the times of one Allreduce of so many float32."""
    array, times = np.ones(size, "float32"), []
    for _ in range(repeats):
        ranks.gather(0)
        began = time.perf_counter()
        ranks.allreduce(array)
        times.append(time.perf_counter() - began)
    return float(np.quantile(times, 0.25))


def worker() -> None:
    """What one number of ranks takes, as a JSON document of rank 0."""
    ranks, found = nn.mpi(timeout=300), {}
    for name in NAMES:
        ranks.gather(0)
        apart = max(ranks.gather(seconds(name, SHARE)))  # a step waits for the slowest
        parallel = ranks.size * int(os.environ["OMP_NUM_THREADS"])
        found[name] = {
            "bytes": 4 * built(name)[0].flat_params.size, "a step's Allreduces": sent(name, ranks),
            "strong": seconds(name, BATCH, ranks), "weak": seconds(name, SHARE * parallel, ranks), "apart": apart,
        }  # fmt: skip
    found["allreduce"] = {4 * size: of_allreduce(size, ranks) for size in SIZES}
    if ranks.rank == 0:
        print(json.dumps(found))


def measured(rounds: int) -> dict[str, Any]:
    """The least of several rounds, in which each way has its turn."""
    mpiexec = [str(Path(sys.executable).with_name("mpiexec")), "--oversubscribe", "--allow-run-as-root", "-n"]
    ways: dict[str, tuple[list[str], int]] = {f"{n} ranks": ([*mpiexec, str(n)], 1) for n in RANKS}
    ways |= {f"{n} threads": ([], n) for n in RANKS[1:]}
    found: dict[str, Any] = {}
    for _ in range(rounds):
        for way, (launcher, threads) in ways.items():
            own = {name: str(threads) for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")}
            command = [*launcher, sys.executable, __file__, "--worker"]
            done = subprocess.run(command, env=os.environ | own, check=True, stdout=subprocess.PIPE)
            found[way] = least(found.get(way), json.loads(done.stdout))
    return found


def least(one: Any, other: Any) -> Any:
    """Of two measurements of one kind."""
    if isinstance(other, list):
        return other
    if isinstance(other, dict):
        return {key: least((one or {}).get(key), value) for key, value in other.items()}
    return other if one is None else min(one, other)


def model(found: dict[str, Any]) -> dict[str, Any]:
    """What is fitted, what it predicts for the measured points, and where more ranks stop paying elsewhere."""
    here = {n: link(found[f"{n} ranks"]["allreduce"], n) for n in RANKS[1:]}
    told: dict[str, Any] = {"link": here}
    for name in NAMES:
        one = found["1 ranks"][name]
        size, of_sample = one["bytes"], (one["strong"] - one["weak"]) / (BATCH - SHARE)
        of_step = max(0.0, one["weak"] - of_sample * SHARE)
        points = {}
        for n in RANKS[1:]:
            slower = found[f"{n} ranks"][name]["apart"] / one["apart"]  # since they share cores, caches, memory
            sent = float(ring(np.zeros(n), size, here[n]).max())
            for kind, share in (("strong", BATCH / n), ("weak", SHARE)):
                predicted = slower * (of_step + of_sample * share) + sent
                point = {"slower": slower, "predicted": predicted, "measured": found[f"{n} ranks"][name][kind]}
                points[f"{kind} {n}"] = point
        given = of_step, of_sample, size
        limits = {
            of: {batch: pays_up_to(batch, *given, network=link) for batch in (BATCH, 4096)}
            for of, link in NETWORKS.items()
        }
        curve = {n: step(n, 4096, *given, NETWORKS["Ethernet, 10 Gbit/s"])[0] for n in (4**k for k in range(6))}
        told[name] = {"of_step": of_step, "of_sample": of_sample, "points": points, "pays up to": limits} | curve
    return told


def link(times: dict[str, float], n: int) -> Network:
    """Latency and bandwidth by which a ring takes the measured times."""
    sizes = np.array([float(size) for size in times])
    slope, start = np.polyfit(sizes, list(times.values()), 1, w=1 / np.array(list(times.values())))
    messages = 2 * (n - 1)
    return Network(max(1e-7, start / messages), messages / n / slope, "measured here")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worker", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    if args.worker:
        worker()
    else:
        found = measured(args.rounds)
        print(json.dumps({"measured": found, "model": model(found)}, indent=1))
