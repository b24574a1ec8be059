"""xpnn, as its README shows a training step."""

from itertools import cycle

from nets import ADAM_RATE, BETAS, CLASSES, EPS, MOMENTUM, SGD_RATE, Batches, Net, Task, Weights, cross_entropy

import xpnn as nn


def variants(net: Net, task: Task) -> tuple[str, ...]:
    """There is one way."""
    return ("",)


def model(net: Net, rng: int = 0) -> nn.Sequential:
    """The library's own networks where it has them."""
    match net.name:
        case "lenet5-tanh-avg":
            return nn.LeNet5(activation=nn.Tanh(), pool=nn.AvgPool2D(2), rng=rng)
        case "lenet5-relu-max":
            return nn.LeNet5(activation=nn.ReLU(), pool=nn.MaxPool2D(2), rng=rng)
        case "rnn":
            return nn.RNNClassifier(28, 128, CLASSES, rng=rng)
        case "vgg":
            return nn.Sequential(*_vgg(rng))
    return nn.MLP([op[1] for op in net.ops if op[0] == "dense"] + [CLASSES], rng=rng)


def _vgg(rng: int) -> list[nn.Layer]:
    layers: list[nn.Layer] = []
    for channels, width in ((3, 32), (32, 64)):
        layers += [nn.Conv2D(channels, width, 3, padding=1, rng=rng), nn.ReLU()]
        layers += [nn.Conv2D(width, width, 3, padding=1, rng=rng), nn.ReLU(), nn.MaxPool2D(2)]
    return [*layers, nn.Flatten(), nn.Dense(64 * 8 * 8, 256, rng=rng), nn.ReLU(), nn.Dense(256, CLASSES, rng=rng)]


def initial_weights(net: Net) -> Weights:
    """Everybody's start."""
    return {key: nn.to_numpy(value).copy() for key, value in model(net).params.items()}


def optimizer(task: Task) -> nn.Optimizer:
    """With the hyperparameters that all share."""
    return nn.SGD(SGD_RATE, MOMENTUM) if task == "sgd" else nn.Adam(ADAM_RATE, BETAS, EPS)


def first_operation() -> None:
    nn.MLP((8, 8))(nn.xp.ones((8, 8), dtype="float32"))


class Training:
    def __init__(self, net: Net, task: Task, weights: Weights, batches: Batches) -> None:
        self.model, self.task, self.weights = model(net), task, weights
        self.batches = [(nn.asarray(x), nn.asarray(y)) for x, y in batches]
        self.criterion = nn.SoftmaxCrossEntropy()

    def start(self) -> None:
        params = self.model.params
        for key, value in self.weights.items():
            params[key] = value
        self.optimizer, self.next = optimizer(self.task), cycle(self.batches)

    def step(self) -> None:
        x, y = next(self.next)
        logits, backward = self.model.forward(x, needs_dx=False)
        self.value, loss_backward = self.criterion.forward(logits, y)
        backward(loss_backward())
        self.optimizer.step(self.model)

    def loss(self) -> float:
        return float(self.value)


class Inference(Training):
    def step(self) -> None:
        x, self.labels = next(self.next)
        self.logits = self.model(x)

    def loss(self) -> float:
        return cross_entropy(nn.to_numpy(self.logits), nn.to_numpy(self.labels))


def build(net: Net, task: Task, weights: Weights, batches: Batches, variant: str) -> Training:
    return (Inference if task == "inference" else Training)(net, task, weights, batches)
