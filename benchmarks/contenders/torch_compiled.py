"""PyTorch under torch.compile: forward, loss and with them backward compiled; the optimiser is the fused one.

Images go in as channels_last. Left to change a contiguous model's layout by itself, inductor of PyTorch 2.13 computes
zero gradients below a max-pooling (a convolution of 32 channels, ReLU, MaxPool2d, Flatten, Linear shows it on a CPU);
given channels_last it agrees with eager, and is as quick or quicker.
"""

import warnings

import torch
from nets import Batches, Net, Op, Task, Weights
from torch import nn
from torch.nn import functional as F

from . import torch_
from .torch_ import first_operation

__all__ = ["build", "first_operation", "variants"]


def variants(net: Net, task: Task) -> tuple[str, ...]:
    """One, since each costs a compilation."""
    layout = "channels_last" if net.has("conv") else "nchw"
    return (f"{layout} forward",) if task == "inference" else (f"{layout} fused",)


class LoopedRNN(torch_.LastState):
    """torch.compile leaves nn.RNN as it is; the loop written out is what it can compile."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = F.linear(x.transpose(0, 1), self.weight_ih_l0, self.bias_ih_l0)
        h = torch.tanh(a[0])
        for step in a[1:]:
            h = torch.tanh(step + F.linear(h, self.weight_hh_l0))
        return h


def layer(op: Op) -> nn.Module:
    return LoopedRNN(op[1], op[2]) if op[0] == "rnn" else torch_.layer(op)


class Training(torch_.Training):
    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self.compiled = torch.compile(lambda x, y: F.cross_entropy(self.model(x), y), dynamic=False)

    def step(self) -> None:
        x, y = next(self.next)
        self.optimizer.zero_grad(set_to_none=True)
        self.value = self.compiled(x, y)
        self.value.backward()
        self.optimizer.step()


class Inference(torch_.Inference):
    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self.call = torch.compile(self.model, dynamic=False)


def build(net: Net, task: Task, weights: Weights, batches: Batches, variant: str) -> torch_.Training:
    warnings.simplefilter("ignore")
    torch._dynamo.reset()  # each cell is compiled for its own shapes
    model = nn.Sequential(*map(layer, net.ops))
    return (Inference if task == "inference" else Training)(model, task, weights, batches, variant)
