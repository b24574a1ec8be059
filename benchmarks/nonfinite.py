"""What looking for NaN costs: ``OPENBLAS_NUM_THREADS=1 python benchmarks/nonfinite.py``.

The same training step with ``on_nonfinite="stop"`` and ``"ignore"``, by turns: by which share the first takes longer,
of the medians and of the fastest twentieth, which other work on the machine disturbs least.
"""

import time
from collections.abc import Callable
from functools import partial

import numpy as np
from report import table

import xpnn as nn
from xpnn.training.batch import Batch
from xpnn.training.nonfinite import Guard
from xpnn.training.score import Sums
from xpnn.training.steps import training_step

ROUNDS, STEPS = 1_500, 4  # of a turn
NETS: list[tuple[str, Callable[[], nn.Layer], tuple[int, ...]]] = [
    ("MLP 784-256-128-10", lambda: nn.MLP((784, 256, 128, 10), rng=0), (64, 784)),
    ("the same", lambda: nn.MLP((784, 256, 128, 10), rng=0), (32, 784)),
    ("MLP 64-256-128-10", lambda: nn.MLP((64, 256, 128, 10), rng=0), (16, 64)),
    ("MLP 64-100-10", lambda: nn.MLP((64, 100, 10), rng=0), (32, 64)),
    ("LeNet-5", lambda: nn.LeNet5(rng=0), (64, 1, 28, 28)),
    ("RNN, 28 steps, 128 units", lambda: nn.Sequential(nn.RNN(28, 128, rng=0), nn.Dense(128, 10)), (64, 28, 28)),
]


def steps_of(model: nn.Layer, shape: tuple[int, ...]) -> list[Callable[[], object]]:
    """Two steps as ``fit`` does them, of one model and optimiser, whose memory thus lies alike.

    The rate changes nothing, so that all steps are alike.
    """
    rng, loss, optimizer, sums = np.random.default_rng(0), nn.SoftmaxCrossEntropy(), nn.AdamW(1e-12), Sums()
    group = [Batch((nn.asarray(rng.standard_normal(shape)), nn.asarray(rng.integers(0, 10, shape[0]))), 1)]
    guards = [Guard(action, model, [], sums) for action in ("stop", "ignore")]
    steps = [one.watched(training_step(model, loss, optimizer, None, sums, check=one.check)) for one in guards]
    return [partial(step, group) for step in steps]


def seconds(step: Callable[[], object]) -> float:
    """Of the processor, a step."""
    began = time.process_time()
    for _ in range(STEPS):
        step()
    return (time.process_time() - began) / STEPS


def costs(pair: Callable[[nn.Layer, tuple[int, ...]], list[Callable[[], float]]]) -> str:
    """By which share the first of two measurements of each network exceeds the second.

    Args:
        pair: of a network and the shape of its input the two, each of which returns the seconds of a step.
    """
    rows = []
    for name, make, shape in NETS:
        measured = pair(make(), shape)
        rounds = ROUNDS if len(shape) == 2 else ROUNDS // 5
        times = np.array([[one() for one in measured] for _ in range(rounds)])
        quantiles = [np.quantile(times, share, axis=0) for share in (0.5, 0.05)]
        shares = [f"{first / second - 1:.1%}" for first, second in quantiles]
        rows.append([name, str(shape[0]), f"{1e6 * quantiles[1][1]:,.0f}", *shares])
    return table(["network", "batch", "us a step", "median", "fastest"], rows)


if __name__ == "__main__":
    print(costs(lambda model, shape: [partial(seconds, step) for step in steps_of(model, shape)]))
