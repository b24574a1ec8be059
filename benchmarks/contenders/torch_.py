"""PyTorch, eager. The optimiser's implementations and, with convolutions, both memory formats are tried."""

import os
from itertools import cycle, product

import torch
from nets import ADAM_RATE, BETAS, EPS, MOMENTUM, SGD_RATE, Batches, Net, Op, Task, Weights, cross_entropy
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
FORMATS = {"nchw": torch.contiguous_format, "channels_last": torch.channels_last}


def variants(net: Net, task: Task) -> tuple[str, ...]:
    formats = tuple(FORMATS) if net.has("conv") else ("nchw",)
    updates = ("forward",) if task == "inference" else ("for-loop", "foreach", "fused")
    return tuple(" ".join(pair) for pair in product(formats, updates))


class LastState(nn.RNN):
    """The output of the last step. nn.RNN adds two biases; the second stays 0 and is not trained: the same work."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__(inputs, hidden, batch_first=True)
        self.bias_hh_l0.requires_grad_(False).zero_()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x)[1][0]

    def load(self, W_x: torch.Tensor, W_h: torch.Tensor, b: torch.Tensor) -> None:
        for parameter, value in ((self.weight_ih_l0, W_x), (self.weight_hh_l0, W_h), (self.bias_ih_l0, b)):
            parameter.copy_(value)


def layer(op: Op) -> nn.Module:
    """The module for one op."""
    match op:
        case ("dense", fan_in, fan_out):
            return nn.Linear(fan_in, fan_out)
        case ("conv", channels, out, k, padding):
            return nn.Conv2d(channels, out, k, padding=padding)
        case ("rnn", inputs, hidden):
            return LastState(inputs, hidden)
    plain = {"relu": nn.ReLU, "tanh": nn.Tanh, "flatten": nn.Flatten}
    return plain[op[0]]() if op[0] in plain else {"avgpool": nn.AvgPool2d, "maxpool": nn.MaxPool2d}[op[0]](2)


def optimizer(task: Task, parameters: list[nn.Parameter], kind: str) -> torch.optim.Optimizer:
    """With one of the implementations that PyTorch offers; "for-loop" is its default on a CPU."""
    options = {"foreach": kind == "foreach", "fused": kind == "fused"}
    if task == "sgd":
        return torch.optim.SGD(parameters, SGD_RATE, MOMENTUM, **options)
    return torch.optim.Adam(parameters, ADAM_RATE, BETAS, EPS, **options)


def first_operation() -> None:
    nn.Linear(8, 8)(torch.ones(8, 8)).sum().backward()


class Training:
    def __init__(self, model: nn.Sequential, task: Task, weights: Weights, batches: Batches, variant: str) -> None:
        layout, self.kind = variant.split()
        self.format = FORMATS[layout]
        self.task, self.model = task, model.to(memory_format=self.format)
        self.call = self.model
        self.weights = {key: torch.from_numpy(value) for key, value in weights.items()}
        self.batches = [(self._laid_out(torch.from_numpy(x)), torch.from_numpy(y)) for x, y in batches]
        self.parameters = [p for p in model.parameters() if p.requires_grad]

    def _laid_out(self, x: torch.Tensor) -> torch.Tensor:
        return x.contiguous(memory_format=self.format) if x.ndim == 4 else x

    @torch.no_grad()
    def start(self) -> None:
        for position, module in enumerate(self.model):
            own = {k.split(".")[1]: v for k, v in self.weights.items() if k.split(".")[0] == str(position)}
            if "W_x" in own:
                module.load(**own)
            elif own:
                module.weight.copy_(own["W"])
                module.bias.copy_(own["b"])
        self.next = cycle(self.batches)
        self.optimizer = None if self.task == "inference" else optimizer(self.task, self.parameters, self.kind)

    def step(self) -> None:
        x, y = next(self.next)
        self.optimizer.zero_grad(set_to_none=True)
        self.value = F.cross_entropy(self.call(x), y)
        self.value.backward()
        self.optimizer.step()

    def loss(self) -> float:
        return self.value.item()


class Inference(Training):
    def step(self) -> None:
        x, self.labels = next(self.next)
        with torch.inference_mode():
            self.logits = self.call(x)

    def loss(self) -> float:
        return cross_entropy(self.logits.numpy(), self.labels.numpy())


def build(net: Net, task: Task, weights: Weights, batches: Batches, variant: str) -> Training:
    model = nn.Sequential(*map(layer, net.ops))
    return (Inference if task == "inference" else Training)(model, task, weights, batches, variant)
