"""scikit-learn's MLPClassifier: the MLP, a step being a partial_fit of one batch.

Its interface takes no initial weights, so it starts from its own, and its losses cannot be compared.
"""

import warnings
from itertools import cycle

import numpy as np
from nets import ADAM_RATE, BETAS, CLASSES, EPS, MOMENTUM, SGD_RATE, Batches, Net, Task, Weights, log_loss
from sklearn.neural_network import MLPClassifier


def variants(net: Net, task: Task) -> tuple[str, ...]:
    return ("",)


def first_operation() -> None:
    with warnings.catch_warnings(action="ignore"):
        MLPClassifier(8, max_iter=1).fit(np.eye(8, dtype=np.float32), np.arange(8) % 2)


class Training:
    def __init__(self, net: Net, task: Task, batches: Batches) -> None:
        self.hidden = tuple(op[2] for op in net.ops if op[0] == "dense")[:-1]
        self.task, self.batches = task, batches

    def start(self) -> None:
        common = {"alpha": 0.0, "batch_size": len(self.batches[0][0]), "shuffle": False, "random_state": 0}
        if self.task == "sgd":
            rule = {"solver": "sgd", "learning_rate_init": SGD_RATE, "momentum": MOMENTUM, "nesterovs_momentum": False}
        else:
            rule = {"learning_rate_init": ADAM_RATE, "beta_1": BETAS[0], "beta_2": BETAS[1], "epsilon": EPS}
        self.model = MLPClassifier(self.hidden, **common, **rule)
        self.model.partial_fit(*self.batches[0], classes=np.arange(CLASSES))
        self.next = cycle(self.batches)

    def step(self) -> None:
        self.model.partial_fit(*next(self.next))

    def loss(self) -> float:
        return float(self.model.loss_)


class Inference(Training):
    def step(self) -> None:
        x, self.labels = next(self.next)
        self.p = self.model.predict_proba(x)

    def loss(self) -> float:
        return log_loss(self.p, self.labels)


def build(net: Net, task: Task, weights: Weights, batches: Batches, variant: str) -> Training:
    if {op[0] for op in net.ops} != {"dense", "relu"}:
        raise NotImplementedError("scikit-learn has the MLP only")
    return (Inference if task == "inference" else Training)(net, task, batches)
