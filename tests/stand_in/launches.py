"""Launches of one training step on the stand-in for CuPy: as chains of operations, and with the package's kernels.

    PYTHONPATH=tests/stand_in NN_BACKEND=cupy python tests/stand_in/launches.py [NETWORK]

Counted are the operations that take CuPy at least one launch; a reduction may take it two. With a network's name: by
operation.
"""

import sys
from collections import Counter

import numpy as np
from cupy._cublas import Cublas
from cupy.stand_in import watch

import xpnn as nn
from xpnn.backend.cuda import cublas, kernels

BATCH = 4
NETWORKS = {
    "MLP": (lambda: nn.MLP((784, 256, 128, 10), rng=0), (784,)),
    "LeNet-5": (lambda: nn.LeNet5(rng=0), (1, 28, 28)),
    "RNN, 28 steps": (lambda: nn.RNNClassifier(28, 128, 10, rng=0), (28, 28)),
}


def launches(name: str) -> "Counter[str]":
    """Of the second step with Adam: forward, loss, backward, update."""
    build, shape = NETWORKS[name]
    model, loss, optimizer = build(), nn.SoftmaxCrossEntropy(), nn.Adam()
    rng = np.random.default_rng(0)
    x, y = nn.asarray(rng.standard_normal((BATCH, *shape))), nn.asarray(rng.integers(0, 10, BATCH))
    for _ in range(2):
        with watch() as seen:
            outputs, backward = model.forward(x, needs_dx=False)
            _, loss_backward = loss.forward(outputs, y)
            backward(loss_backward())
            optimizer.step(model)
    return seen.launches


def main() -> None:
    cublas.load = Cublas
    for name in NETWORKS:
        reals, counts = dict(kernels.REAL), []
        for here in ({}, reals):
            kernels.REAL.clear()
            kernels.REAL.update(here)
            counts.append(launches(name))
        before, after = counts
        print(f"{name:15} {before.total():5} -> {after.total():5}")
        if name in sys.argv[1:]:
            for what in sorted(before | after, key=lambda what: -max(before[what], after[what])):
                print(f"  {what:25} {before[what]:5} -> {after[what]:5}")


if __name__ == "__main__":
    main()
