"""Slices of the gradient that travel while backward computes: `mpiexec -n 2 python benchmarks/slices.py`.

A step in four ways, in turns: the gradient as a whole after backward, as `fit` sends it; each layer's of 64 kB and more
as soon as its backward has returned, looked after between two layers or by a thread; and none, each rank for itself.
"""

import os
import sys
import threading
import time
from typing import Any

import numpy as np
from contenders.xpnn_ import model as network
from mpi4py import MPI
from nets import NETS

import xpnn as nn

WORLD, BATCH, LEAST = MPI.COMM_WORLD, 64, 16_384
WAYS = "whole", "slices", "thread", "none"
LARGE = {"large mlp": (784, 2048, 2048, 10), "deep mlp": (784, *[1024] * 6, 10)}


def wait(requests: list[Any]) -> None:
    looks = 0
    while not MPI.Request.Testall(requests):
        looks += 1
        if looks % 64:
            os.sched_yield()
        else:
            time.sleep(0)


def looked_after(requests: list[Any], over: threading.Event) -> None:
    while not over.wait(1e-4):
        if requests:
            MPI.Request.Testall(list(requests))


def step(layers: list[nn.Layer], grads: np.ndarray, x: np.ndarray, y: np.ndarray, way: str) -> float:
    """Seconds of forward, backward and Allreduce."""
    requests, over, end, start = list[Any](), threading.Event(), grads.size, grads.size
    thread = threading.Thread(target=looked_after, args=(requests, over))
    began = time.perf_counter()
    if way == "thread":
        thread.start()
    passed = []
    for layer in layers:
        x, backward = layer.forward(x, bool(passed))
        passed.append((layer, backward))
    dy = nn.SoftmaxCrossEntropy().forward(x, y)[1]()
    for layer, backward in reversed(passed):
        dy = backward(dy)
        start -= sum(array.size for array in layer.params.values())
        if way in ("slices", "thread") and end - start >= LEAST:
            requests.append(WORLD.Iallreduce(MPI.IN_PLACE, grads[start:end]))
            end = start
        if way == "slices" and requests:
            MPI.Request.Testall(requests)
    if way != "none" and end:
        requests.append(WORLD.Iallreduce(MPI.IN_PLACE, grads[:end]))
    over.set()
    if way == "thread":
        thread.join()
    wait(requests)
    grads.fill(0)
    return time.perf_counter() - began


def main(rounds: int) -> None:
    rng, share = np.random.default_rng(0), BATCH // WORLD.size
    for name in ("mlp", "lenet5-tanh-avg", "rnn", "vgg", *LARGE):
        model = nn.MLP(LARGE[name], rng=0) if name in LARGE else network(NETS[name])
        x = rng.standard_normal((share, *((784,) if name in LARGE else NETS[name].shape)), dtype="float32")
        y, took = rng.integers(0, 10, share), {way: list[float]() for way in WAYS}
        for _ in range(rounds):
            for way in WAYS:
                WORLD.Barrier()
                took[way] += [step(list(model), model.flat_grads, x, y, way) for _ in range(5)]
        if WORLD.rank == 0:
            told = (f"{way} {1e3 * np.quantile(times, 0.25):.2f} ms" for way, times in took.items())
            print(f"{name}, {4 * model.flat_grads.size:,} bytes:", ", ".join(told), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 6)
