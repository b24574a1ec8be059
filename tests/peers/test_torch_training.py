"""Whole networks side by side with PyTorch: 50 training steps in float64 from the same weights on the same batches.

The largest difference between any two parameters at the end is at most 1e-8; ``-s`` prints it. Rounding makes
1e-16 of it, the rest is how far 50 steps of training amplify that.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from border import STAND_IN
from torch.nn import functional

import xpnn as nn

STEPS = 50


class TorchRNNClassifier(torch.nn.Module):
    """torch.nn.RNN and a Linear layer on its last state; the second of PyTorch's two biases stays 0."""

    def __init__(self, input_size: int, hidden_size: int, num_classes: int) -> None:
        super().__init__()
        self.rnn = torch.nn.RNN(input_size, hidden_size, batch_first=True)
        self.dense = torch.nn.Linear(hidden_size, num_classes)
        torch.nn.init.zeros_(self.rnn.bias_hh_l0).requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dense(self.rnn(x)[1][0])


def lenet5() -> tuple[nn.Sequential, torch.nn.Module, tuple[int, ...]]:
    t = torch.nn
    twin = t.Sequential(
        *(t.Conv2d(1, 6, 5, padding=2), t.ReLU(), t.MaxPool2d(2)),
        *(t.Conv2d(6, 16, 5), t.ReLU(), t.MaxPool2d(2)),
        *(t.Conv2d(16, 120, 5), t.ReLU(), t.Flatten()),
        *(t.Linear(120, 84), t.ReLU(), t.Linear(84, 10)),
    )
    return nn.LeNet5(rng=0, dtype="float64"), twin, (1, 28, 28)


def mlp() -> tuple[nn.Sequential, torch.nn.Module, tuple[int, ...]]:
    """Five layers of weights."""
    sizes = (20, 32, 24, 16, 12, 10)
    layers: list[torch.nn.Module] = []
    for fan_in, fan_out in pairwise(sizes):
        layers += [torch.nn.Linear(fan_in, fan_out), torch.nn.ReLU()]
    return nn.MLP(sizes, rng=0, dtype="float64"), torch.nn.Sequential(*layers[:-1]), (20,)


def rnn_classifier() -> tuple[nn.Sequential, torch.nn.Module, tuple[int, ...]]:
    return nn.RNNClassifier(8, 32, 10, rng=0, dtype="float64"), TorchRNNClassifier(8, 32, 10), (12, 8)


OPTIMIZERS: dict[str, tuple[Callable[[], nn.Optimizer], Callable[..., torch.optim.Optimizer]]] = {
    "SGD": (lambda: nn.SGD(0.05), lambda p: torch.optim.SGD(p, 0.05)),
    "momentum": (lambda: nn.SGD(0.02, 0.9), lambda p: torch.optim.SGD(p, 0.02, 0.9)),
    "Nesterov": (lambda: nn.SGD(0.02, 0.9, nesterov=True), lambda p: torch.optim.SGD(p, 0.02, 0.9, nesterov=True)),
    "weight decay": (lambda: nn.SGD(0.05, weight_decay=0.01), lambda p: torch.optim.SGD(p, 0.05, weight_decay=0.01)),
    "Adam": (lambda: nn.Adam(0.001), lambda p: torch.optim.Adam(p, 0.001)),
    "AdamW": (lambda: nn.AdamW(0.001, weight_decay=0.1), lambda p: torch.optim.AdamW(p, 0.001, weight_decay=0.1)),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("networks", [mlp, rnn_classifier] if STAND_IN else [lenet5, mlp, rnn_classifier])
def test_fifty_steps(measured, networks, optimizer):
    model, twin, shape = networks()
    twin.double()
    weights = [weight for weight in twin.parameters() if weight.requires_grad]
    start = {key: nn.to_numpy(value).copy() for key, value in model.params.items()}
    with torch.no_grad():
        for weight, value in zip(weights, start.values(), strict=True):
            weight.copy_(torch.tensor(value))
    make_ours, make_theirs = OPTIMIZERS[optimizer]
    ours, theirs, loss = make_ours(), make_theirs(weights), nn.SoftmaxCrossEntropy()
    rng = np.random.default_rng(1)
    for _ in range(STEPS):
        x, labels = rng.standard_normal((8, *shape)), rng.integers(10, size=8)
        logits, backward = model.forward(nn.asarray(x, "float64"), needs_dx=False)
        _, loss_backward = loss.forward(logits, nn.asarray(labels))
        backward(loss_backward())
        ours.step(model)

        theirs.zero_grad()
        functional.cross_entropy(twin(torch.tensor(x)), torch.tensor(labels)).backward()
        theirs.step()

    end = {key: nn.to_numpy(value) for key, value in model.params.items()}
    for key, value in end.items():
        assert abs(value - start[key]).max() > 1e-3, f"{key} was hardly trained: nothing to compare"
    differences = [abs(a - b.detach().numpy()).max() for a, b in zip(end.values(), weights, strict=True)]
    measured(f"torch, {type(model).__name__}, {optimizer}, {STEPS} steps, largest difference", float(max(differences)))
    assert max(differences) <= 1e-8, dict(zip(end, differences, strict=True))


def test_tensors_of_a_dtype_that_numpy_lacks(rng):
    x = torch.tensor(rng.standard_normal((20, 4)), requires_grad=True).bfloat16()
    as_float32 = x.detach().float().numpy()
    np.testing.assert_array_equal(nn.to_numpy(nn.asarray(x)), as_float32)
    model = nn.MLP((4, 3), rng=0)
    np.testing.assert_array_equal(nn.predict(model, x), nn.predict(model, as_float32))
