"""Where a training step's time goes, layer by layer, beside what the machine can do.

    python benchmarks/profile_cpu.py [--nets vgg mlp] [--batch 64]

The limits come first: the rate of a large float32 product, and of copies in and beyond the cache. Then for every layer
the time of forward and backward, the arithmetic that its matrix products need, and the share of the limit that it
reaches. The layers run one by one: nothing of what a network's plan swaps, joins or divides into slices.
OPENBLAS_NUM_THREADS=1 in front holds BLAS to one thread; NN_PLAIN=1 profiles the equations.
"""

import argparse
import math
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from contenders.xpnn_ import model, optimizer
from nets import NETS, make_batches
from report import table

import xpnn as nn


@dataclass
class Row:
    """One line of the profile: seconds of every repetition, and floating-point operations of the products."""

    name: str
    forward_flops: float = 0.0
    backward_flops: float = 0.0
    forward: list[float] = field(default_factory=list)
    backward: list[float] = field(default_factory=list)


def rate(work: float, task: Callable[[], object], seconds: float = 0.3) -> float:
    """Work per second, at its best."""
    task()  # the first one also fetches memory from the system
    best, until, count = math.inf, time.perf_counter() + seconds, 0
    while time.perf_counter() < until or count < 3:
        count += 1
        began = time.perf_counter()
        task()
        best = min(best, time.perf_counter() - began)
    return work / best


def copy_rate(mebibytes: float) -> float:
    """Bytes read and written per second by a copy between two arrays of this size together."""
    source = np.ones(int(mebibytes * 2**20 / 8), np.float32)
    target = np.empty_like(source)
    return rate(2 * source.nbytes, lambda: np.copyto(target, source))


def product_flops(layer: nn.Layer, x: np.ndarray, y: np.ndarray) -> float:
    """Of the forward matrix products: two for each weight and place where it is applied."""
    places = y[0, 0].size if y.ndim == 4 else x.shape[1] if x.ndim == 3 else 1
    return 2.0 * len(x) * places * sum(value.size for value in layer.params.values() if value.ndim > 1)


def step(network: nn.Sequential, update: nn.Optimizer, x: np.ndarray, labels: np.ndarray, rows: list[Row]) -> None:
    """One training step by hand, timed at every call; the last two rows are the loss's and the optimiser's."""

    def clock(times: list[float], call: Callable[..., object], *arguments: object) -> object:
        began = time.perf_counter()
        result = call(*arguments)
        times.append(time.perf_counter() - began)
        return result

    backwards = []
    for index, (layer, row) in enumerate(zip(network, rows, strict=False)):
        y, backward = clock(row.forward, layer.forward, x, index > 0)
        row.forward_flops = product_flops(layer, x, y)
        row.backward_flops = row.forward_flops * (2 if index else _without_dx(layer))
        backwards.append((row, backward))
        x = y
    *_, loss, last = rows
    _, loss_backward = clock(loss.forward, nn.SoftmaxCrossEntropy().forward, x, labels)
    delta = clock(loss.backward, loss_backward)
    for row, backward in reversed(backwards):
        delta = clock(row.backward, backward, delta)
    clock(last.backward, update.step, network)


def _without_dx(layer: nn.Layer) -> float:
    """Backward's products by forward's, where no dE/dx is asked for: only a recurrence needs both for its states."""
    sizes = {key: value.size for key, value in layer.params.items() if value.ndim > 1}
    return 1 + sizes.get("W_h", 0) / max(1, sum(sizes.values()))


def profile(name: str, batch: int, seconds: float = 1.5) -> list[Row]:
    """Repeat the step, and keep what each part took."""
    network, update = model(NETS[name]), optimizer("sgd")
    x, labels = map(nn.asarray, make_batches(NETS[name], batch, 1)[0])
    rows = [Row(f"{index} {layer}") for index, layer in enumerate(network)] + [Row("loss"), Row("SGD")]
    for _ in range(3):
        step(network, update, x, labels, rows)
    for row in rows:
        row.forward.clear()
        row.backward.clear()
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(rows[0].forward) < 5:
        step(network, update, x, labels, rows)
    return rows


def show(rows: list[Row], peak: float) -> str:
    """The table; GEMM % is the rate reached by the large product's, of all products the time at that rate."""
    lines, total, ideal = [], 0.0, 0.0
    for row in rows:
        times = [statistics.median(values) if values else 0.0 for values in (row.forward, row.backward)]
        flops = (row.forward_flops, row.backward_flops)
        total, ideal = total + sum(times), ideal + sum(flops) / peak
        cells = [row.name]
        for spent, work in zip(times, flops, strict=True):
            reached = work / spent if spent else 0.0
            cells += [f"{1e6 * spent:.0f}"]
            cells += [f"{work / 1e6:.1f}", f"{reached / 1e9:.0f}", f"{reached / peak:.0%}"] if work else ["", "", ""]
        lines.append((sum(times), cells))
    body = [[*cells, f"{spent / total:.0%}"] for spent, cells in lines]
    parts = [f"{way} {what}" for way in ("forward", "backward") for what in ("µs", "MFLOP", "GFLOP/s", "GEMM %")]
    note = (
        f"\n\n{1e3 * total:.3f} ms in all; the products alone would take {1e3 * ideal:.3f} ms at the large one's rate"
    )
    return table(["layer", *parts, "of the step"], body) + f"{note}: {ideal / total:.0%}."


def main() -> None:
    """Print the limits and a table for each network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", nargs="+", choices=NETS, default=list(NETS))
    parser.add_argument("--batch", type=int, default=64)
    options = parser.parse_args()
    n = 2048
    a = np.random.default_rng(0).standard_normal((n, n), dtype=np.float32)
    peak = rate(2 * n**3, lambda: a @ a, 1.0)
    threads = os.environ.get("OPENBLAS_NUM_THREADS", len(os.sched_getaffinity(0)))
    print(f"threads of BLAS: {threads}; product of {n} x {n} in float32: {peak / 1e9:.0f} GFLOP/s")
    for where, size in (("in L2", 1), ("beyond the caches", 1024)):
        print(f"copy {where} ({size} MiB, one thread): {copy_rate(size) / 1e9:.1f} GB/s read and written")
    for name in options.nets:
        print(f"\n### {name}, batch {options.batch}\n\n{show(profile(name, options.batch), peak)}")


if __name__ == "__main__":
    main()
