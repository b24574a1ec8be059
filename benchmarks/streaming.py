"""What streaming hides: ``NN_BACKEND=cupy python benchmarks/streaming.py``.

Milliseconds of a training step on batches that are on the device, on shuffled batches of the host that travel while
the step before computes (``prefetch``), and on shuffled batches that are copied when their step begins: medians of
rounds in turn, each timed between two waits for the device.
"""

import statistics
import time
from collections.abc import Iterable
from itertools import cycle, islice
from typing import Any

import numpy as np
from contenders.xpnn_ import initial_weights
from gpu_xpnn import Training
from nets import NETS, make_batches
from report import table

import xpnn as nn
from xpnn.backend import prefetch

CASES = [("lenet5-relu-max", 128), ("lenet5-relu-max", 4096), ("vgg", 256), ("vgg", 4096)]
STEPS, ROUNDS = 40, 7


def seconds(run: Training, batches: Iterable[tuple[Any, Any]]) -> float:
    """Seconds a step over STEPS batches."""
    run.finish()
    began = time.perf_counter()
    for x, y in batches:
        run.feed(x, y)
    run.finish()
    return (time.perf_counter() - began) / STEPS


def measure(name: str, batch: int) -> list[float]:
    """Median milliseconds a step: on the device, streamed, copied at once."""
    net = NETS[name]
    host = make_batches(net, batch, 8)
    run = Training(net, "sgd", initial_weights(net), host)
    run.start()
    x, y = map(np.concatenate, zip(*host, strict=True))
    chosen = np.random.default_rng(0).permutation(len(x)).reshape(-1, batch)
    feeds = (
        lambda: islice(cycle(run.batches), STEPS),
        lambda: prefetch((x, y), islice(cycle(chosen), STEPS)),
        lambda: ((nn.asarray(x[part]), nn.asarray(y[part])) for part in islice(cycle(chosen), STEPS)),
    )
    rounds = [[seconds(run, feed()) for feed in feeds] for _ in range(ROUNDS + 1)][1:]  # the first warms up
    return [1e3 * statistics.median(times) for times in zip(*rounds, strict=True)]


def main() -> None:
    """Measure and print."""
    if nn.xp.__name__ == "numpy":
        raise SystemExit("benchmarks/streaming.py: set NN_BACKEND=cupy: on NumPy nothing travels")
    rows = [[f"{name}, {batch}", *(f"{ms:.3g}" for ms in measure(name, batch))] for name, batch in CASES]
    print(table(["net, batch", "on the device", "streamed", "copied when needed"], rows))


if __name__ == "__main__":
    main()
