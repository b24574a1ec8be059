"""thinc on NumpyOps: the MLP. It has no convolution, no pooling and no Elman RNN of its own.

Its products run in BLIS or in NumPy's BLAS; both are tried. Its SGD has no momentum: the few lines below give it one,
through the interface that its models leave for any optimiser.
"""

from itertools import cycle

import numpy as np
from nets import ADAM_RATE, BETAS, EPS, MOMENTUM, SGD_RATE, Batches, Net, Task, Weights, log_loss
from thinc.api import Adam, Linear, Model, NumpyOps, Relu, Softmax, chain


def variants(net: Net, task: Task) -> tuple[str, ...]:
    return ("blis", "numpy")


class MomentumSGD:
    """What finish_update calls with each parameter and its gradient."""

    def __init__(self) -> None:
        self.velocities: dict[object, np.ndarray] = {}

    def __call__(self, key: object, weights: np.ndarray, gradient: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        v = self.velocities.setdefault(key, np.zeros_like(weights))
        v *= MOMENTUM
        v += gradient
        weights -= SGD_RATE * v
        gradient[...] = 0
        return weights, gradient


def first_operation() -> None:
    Linear(8, 8).initialize().predict(np.ones((8, 8), np.float32))


class Training:
    def __init__(self, net: Net, task: Task, weights: Weights, batches: Batches, variant: str) -> None:
        dense = [(at, op) for at, op in enumerate(net.ops) if op[0] == "dense"]
        kinds = [Relu] * (len(dense) - 1) + [Softmax]
        self.layers = [kind(op[2], op[1]) for kind, (_, op) in zip(kinds, dense, strict=True)]
        self.weights = [(weights[f"{at}.W"], weights[f"{at}.b"]) for at, _ in dense]
        self.model: Model = chain(*self.layers)
        self.task, self.batches = task, batches
        for node in self.model.walk():
            node.ops = NumpyOps(use_blis=variant == "blis")
        self.model.initialize()

    def start(self) -> None:
        for layer, (W, b) in zip(self.layers, self.weights, strict=True):
            layer.set_param("W", W.copy())
            layer.set_param("b", b.copy())
        adam = {"beta1": BETAS[0], "beta2": BETAS[1], "eps": EPS, "L2": 0.0, "grad_clip": 0.0, "use_averages": False}
        self.optimizer = MomentumSGD() if self.task == "sgd" else Adam(ADAM_RATE, **adam)
        self.next = cycle(self.batches)

    def step(self) -> None:
        x, y = next(self.next)
        p, backprop = self.model.begin_update(x)
        rows = np.arange(len(y))
        self.value = -np.log(p[rows, y]).mean()
        p[rows, y] -= 1
        p /= len(y)
        backprop(p)
        self.model.finish_update(self.optimizer)

    def loss(self) -> float:
        return float(self.value)


class Inference(Training):
    def step(self) -> None:
        x, self.labels = next(self.next)
        self.p = self.model.predict(x)

    def loss(self) -> float:
        return log_loss(self.p, self.labels)


def build(net: Net, task: Task, weights: Weights, batches: Batches, variant: str) -> Training:
    if {op[0] for op in net.ops} != {"dense", "relu"}:
        raise NotImplementedError("thinc has no such layers of its own")
    return (Inference if task == "inference" else Training)(net, task, weights, batches, variant)
