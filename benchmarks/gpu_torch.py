"""PyTorch on a GPU: eager, or its whole step as a CUDA graph."""

import os
from typing import Any

import numpy as np
import torch
from contenders import torch_
from gpu_contenders import epoch_batches
from nets import Batches, Net, Task, Weights
from torch.nn import functional as F

TF32 = os.environ["CUPY_TF32"] == "1"
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = TF32
torch.backends.cudnn.benchmark = True


class Training(torch_.Training):
    """Steps on batches that lie on the device."""

    def step(self) -> None:
        self.feed(*next(self.next))

    def feed(self, x: torch.Tensor, y: torch.Tensor) -> None:
        """A step on this batch."""
        self.optimizer.zero_grad(set_to_none=True)
        self.value = F.cross_entropy(self.call(x), y)
        self.value.backward()
        self.optimizer.step()

    def finish(self) -> None:
        """Wait for the device."""
        torch.cuda.synchronize()

    def epoch(self, x: np.ndarray, y: np.ndarray, batch: int, on_device: bool) -> None:
        """Full batches in random order."""
        rng = np.random.default_rng(0)
        if on_device:
            self._data = self._data or (torch.from_numpy(x).cuda(), torch.from_numpy(y).cuda())
            order = torch.from_numpy(rng.permutation(len(x))).cuda()
            for start in range(0, len(x) - batch + 1, batch):
                part = order[start : start + batch]
                self.feed(self._data[0][part], self._data[1][part])
        else:
            for part in epoch_batches(len(x), batch, rng):
                pinned = [torch.from_numpy(host[part]).pin_memory() for host in (x, y)]
                self.feed(*(host.to("cuda", non_blocking=True) for host in pinned))
        self.finish()

    _data: tuple[torch.Tensor, torch.Tensor] | None = None


class Inference(Training):
    """The loss of a batch."""

    def start(self) -> None:
        super().start()
        self.optimizer = None

    @torch.inference_mode()
    def feed(self, x: torch.Tensor, y: torch.Tensor) -> None:
        self.value = F.cross_entropy(self.call(x), y)


class Captured:
    """A run whose step is recorded once, as PyTorch's notes on CUDA graphs have it, and replayed."""

    def __init__(self, run: Training) -> None:
        self.eager = run
        self.finish = run.finish

    def start(self) -> None:
        run = self.eager
        run.start()
        for group in run.optimizer.param_groups if run.optimizer else ():
            group["capturable"] = True
        self.inputs = tuple(part.clone() for part in run.batches[0])
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                run.feed(*self.inputs)
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        if run.optimizer:
            run.optimizer.zero_grad(set_to_none=True)
        with torch.cuda.graph(self.graph):
            run.feed(*self.inputs)
        self._restore()

    @torch.no_grad()
    def _restore(self) -> None:
        """The initial weights and an empty state, in place, after what warming up did to them."""
        optimizer = self.eager.optimizer
        self.eager.start()
        self.eager.optimizer = optimizer
        for state in optimizer.state.values() if optimizer else ():
            for value in filter(torch.is_tensor, state.values()):
                value.zero_()

    @property
    def value(self) -> torch.Tensor:
        """The last step's loss."""
        return self.eager.value

    def step(self) -> None:
        self.feed(*next(self.eager.next))

    def feed(self, x: torch.Tensor, y: torch.Tensor) -> None:
        """A step on this batch, copied to where the graph reads it."""
        for own, part in zip(self.inputs, (x, y), strict=True):
            own.copy_(part, non_blocking=True)
        self.graph.replay()

    _data = None
    epoch = Training.epoch


def build(contender: str, net: Net, task: Task, weights: Weights, batches: Batches) -> Any:
    if not torch.cuda.is_available():
        raise RuntimeError("torch has no CUDA device: is it the CPU's build?")
    model = torch.nn.Sequential(*map(torch_.layer, net.ops)).cuda()
    layout = "channels_last" if net.has("conv") and TF32 else "nchw"
    make = Inference if task == "inference" else Training
    run = make(model, "sgd" if task == "inference" else task, weights, batches, f"{layout} fused")
    if contender == "torch graph":
        run.kind = "foreach"
    run.batches = [(x.cuda(), y.cuda()) for x, y in run.batches]
    return Captured(run) if contender == "torch graph" else run
