"""DeZero. It predates NumPy 2, and two things keep it in float32 there, as it was meant to be.

Its scalars become 0-d arrays, which since NumPy 2 decide over dtypes: here they are of float32. And its one-hot labels
have the labels' dtype, which promotes the gradient unless it is a small one.
"""

from itertools import cycle

import numpy as np

# ruff: noqa: E402
np.int = int  # removed from NumPy; DeZero's import asks for it

import dezero.core
from dezero import Model, no_grad, optimizers
from dezero import functions as F
from dezero import layers as L
from nets import ADAM_RATE, BETAS, EPS, MOMENTUM, SGD_RATE, Batches, Net, Op, Task, Weights, cross_entropy

dezero.core.as_array = lambda x, array_module=np: np.asarray(x, np.float32) if np.isscalar(x) else x


def variants(net: Net, task: Task) -> tuple[str, ...]:
    return ("",)


def layer(op: Op) -> L.Layer | None:
    """The layer for an op with weights."""
    match op:
        case ("dense", fan_in, fan_out):
            return L.Linear(fan_out, in_size=fan_in)
        case ("conv", channels, out, k, padding):
            return L.Conv2d(out, k, pad=padding, in_channels=channels)
        case ("rnn", inputs, hidden):
            rnn = L.RNN(hidden, in_size=inputs)
            rnn.h2h = L.Linear(hidden, nobias=True, in_size=hidden)  # its own takes the inputs' size for it
            return rnn
    return None


class Network(Model):
    """The ops in a row."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        self.net = net
        for at, op in enumerate(net.ops):
            setattr(self, f"layer{at}", layer(op))

    def load(self, weights: Weights) -> None:
        for key, value in weights.items():
            at, name = key.split(".")
            place = getattr(self, f"layer{at}")
            if name in ("W_x", "W_h"):
                place = place.x2h if name == "W_x" else place.h2h
            elif isinstance(place, L.RNN):
                place = place.x2h
            parameter = place.b if name == "b" else place.W
            parameter.data = value.T.copy() if value.ndim == 2 else value.copy()

    def forward(self, x: np.ndarray) -> dezero.Variable:
        functions = {"relu": F.relu, "tanh": F.tanh, "flatten": F.flatten}
        for at, (kind, *_) in enumerate(self.net.ops):
            own = getattr(self, f"layer{at}")
            if kind == "rnn":
                own.reset_state()
                for t in range(x.shape[1]):
                    h = own(x[:, t])
                x = h
            elif own is not None:
                x = own(x)
            elif kind in functions:
                x = functions[kind](x)
            else:
                x = (F.pooling if kind == "maxpool" else F.average_pooling)(x, 2, 2)
        return x


class Adam(optimizers.Adam):
    """DeZero adds eps to the root of v before its correction; this eps makes it the form that the others use."""

    def update(self) -> None:
        self.eps = EPS * (1 - self.beta2 ** (self.t + 1)) ** 0.5
        super().update()


def first_operation() -> None:
    F.sum(L.Linear(8, in_size=8)(np.ones((8, 8), np.float32))).backward()


class Training:
    def __init__(self, net: Net, task: Task, weights: Weights, batches: Batches) -> None:
        self.model, self.task, self.weights = Network(net), task, weights
        self.batches = [(x, y.astype(np.int8)) for x, y in batches]

    def start(self) -> None:
        self.model.load(self.weights)
        sgd = self.task == "sgd"
        rule = optimizers.MomentumSGD(SGD_RATE, MOMENTUM) if sgd else Adam(ADAM_RATE, *BETAS, EPS)
        self.optimizer = rule.setup(self.model)
        self.next = cycle(self.batches)

    def step(self) -> None:
        x, y = next(self.next)
        self.value = F.softmax_cross_entropy(self.model(x), y)
        self.model.cleargrads()
        self.value.backward()
        self.optimizer.update()

    def loss(self) -> float:
        return float(self.value.data)


class Inference(Training):
    def step(self) -> None:
        x, self.labels = next(self.next)
        with no_grad():
            self.logits = self.model(x)

    def loss(self) -> float:
        return cross_entropy(self.logits.data, self.labels)


def build(net: Net, task: Task, weights: Weights, batches: Batches, variant: str) -> Training:
    return (Inference if task == "inference" else Training)(net, task, weights, batches)
