"""What is measured: the networks, the tasks, the data. Library-neutral, so that each contender builds its own."""

import itertools
from dataclasses import dataclass
from typing import Literal

import numpy as np

Op = tuple[str | int, ...]
"""One layer: its kind, then its sizes, as in ``("conv", in_channels, out_channels, kernel_size, padding)``."""

Task = Literal["sgd", "adam", "inference"]
Weights = dict[str, np.ndarray]
"""By ``"position.name"``: W (out, in) or (out, in, k, k), b (out,); of the RNN W_x (out, in), W_h (out, out), b."""

Batches = list[tuple[np.ndarray, np.ndarray]]
"""Inputs (N, ...) in float32 and labels (N,) in int64."""

TASKS: tuple[Task, ...] = ("sgd", "adam", "inference")
MOMENTUM, SGD_RATE = 0.9, 0.01
ADAM_RATE, BETAS, EPS = 0.001, (0.9, 0.999), 1e-8
CLASSES = 10
CHECK_STEPS = 5  # compared between all contenders before anything is timed


@dataclass(frozen=True)
class Net:
    """A classifier: the shape of one input, and its layers in order."""

    name: str
    shape: tuple[int, ...]
    ops: tuple[Op, ...]

    def has(self, kind: str) -> bool:
        """Whether a layer of this kind is in it."""
        return any(op[0] == kind for op in self.ops)


def _mlp(name: str, *sizes: int) -> Net:
    ops: list[Op] = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        ops += [("dense", fan_in, fan_out), ("relu",)]
    return Net(name, sizes[:1], tuple(ops[:-1]))


def _lenet5(name: str, f: Op, pool: Op) -> Net:
    convolutions = (("conv", 1, 6, 5, 2), f, pool, ("conv", 6, 16, 5, 0), f, pool, ("conv", 16, 120, 5, 0), f)
    return Net(name, (1, 28, 28), (*convolutions, ("flatten",), ("dense", 120, 84), f, ("dense", 84, CLASSES)))


def _vgg(name: str) -> Net:
    ops: list[Op] = []
    for first, width in ((3, 32), (32, 64)):
        ops += [("conv", first, width, 3, 1), ("relu",), ("conv", width, width, 3, 1), ("relu",), ("maxpool",)]
    head: tuple[Op, ...] = (("flatten",), ("dense", 64 * 8 * 8, 256), ("relu",), ("dense", 256, CLASSES))
    return Net(name, (3, 32, 32), (*ops, *head))


NETS: dict[str, Net] = {
    "mlp": _mlp("mlp", 784, 256, 128, CLASSES),
    "lenet5-tanh-avg": _lenet5("lenet5-tanh-avg", ("tanh",), ("avgpool",)),
    "lenet5-relu-max": _lenet5("lenet5-relu-max", ("relu",), ("maxpool",)),
    "rnn": Net("rnn", (28, 28), (("rnn", 28, 128), ("dense", 128, CLASSES))),
    "vgg": _vgg("vgg"),
}


def deep(depth: int) -> Net:
    """An MLP with ``depth`` hidden layers of 256."""
    return _mlp(f"mlp-{depth}x256", 784, *[256] * depth, CLASSES)


def make_batches(net: Net, batch: int, count: int = 4) -> Batches:
    """The same random batches for everybody."""
    rng = np.random.default_rng(batch)
    return [
        (rng.standard_normal((batch, *net.shape), dtype=np.float32), rng.integers(0, CLASSES, batch))
        for _ in range(count)
    ]


def log_loss(p: np.ndarray, labels: np.ndarray) -> float:
    """The mean of -log p_label, for a library that gives probabilities."""
    return float(-np.log(p[np.arange(len(labels)), labels]).mean())


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """The mean of log sum exp z - z_label, in float64: what an inference's outputs are compared by."""
    z = logits.astype(np.float64)
    z -= z.max(1, keepdims=True)
    return float((np.log(np.exp(z).sum(1)) - z[np.arange(len(z)), labels]).mean())
