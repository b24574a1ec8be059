"""The libraries on a GPU, from equal weights on equal data; built on the CPU benchmark's contenders.

A step does not wait for the device, ``finish`` does. Each contender's process imports its own library alone.
"""

import importlib.util
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from nets import Batches, Net, Task, Weights

LIBRARIES = {"xpnn": "cupy", "xpnn eager": "cupy", "torch": "torch", "torch graph": "torch", "jax": "jax"}
"""The contenders, and the library that each needs."""


def variables(contender: str, tf32: bool) -> dict[str, str]:
    """The environment of a contender's process: one precision for all, and memory taken as it is needed."""
    return {
        "NN_BACKEND": "cupy" if contender.startswith("xpnn") else "numpy",
        "CUPY_TF32": str(int(tf32)),
        "JAX_DEFAULT_MATMUL_PRECISION": "tensorfloat32" if tf32 else "highest",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "8"),
    }


def installed() -> list[str]:
    """The contenders whose library Python finds."""
    return [name for name, library in LIBRARIES.items() if importlib.util.find_spec(library)]


def build(contender: str, net: Net, task: Task, weights: Weights, batches: Batches) -> Any:
    """The contender's run, with ``start``, ``step``, ``loss``, ``finish``, ``epoch``.

    Raises:
        RuntimeError: the library has no device.
    """
    make = {"xpnn": _xpnn, "torch": _torch, "jax": _jax}[contender.split()[0]]
    return make(contender, net, task, weights, batches)


def epoch_batches(x: np.ndarray, y: np.ndarray, batch: int, rng: np.random.Generator) -> Iterator[tuple[Any, Any]]:
    """Full batches in random order: all contenders have fixed shapes."""
    order = rng.permutation(len(x))
    for start in range(0, len(x) - batch + 1, batch):
        part = order[start : start + batch]
        yield x[part], y[part]


def _xpnn(contender: str, net: Net, task: Task, weights: Weights, batches: Batches) -> Any:
    from contenders import xpnn_

    import xpnn as nn
    from xpnn.backend import captured, prefetch

    class Run(xpnn_.Training):
        def start(self) -> None:
            super().start()
            compute = self._infer if task == "inference" else self._train
            self.run = compute if contender == "xpnn eager" else captured(compute)

        def _train(self, x: Any, y: Any, *scalars: Any) -> Any:
            logits, backward = self.model.forward(x, needs_dx=False)
            value, loss_backward = self.criterion.forward(logits, y)
            backward(loss_backward())
            self.optimizer.update(self.model, *scalars)
            return value

        def _infer(self, x: Any, y: Any) -> Any:
            return self.criterion(self.model(x), y)

        def step(self) -> None:
            self._on(*next(self.next))

        def _on(self, x: Any, y: Any) -> None:
            if task == "inference":
                self.value = self.run(x, y)
            else:
                self.value = self.run(x, y, *self.optimizer.scalars())
                self.optimizer.steps += 1

        def finish(self) -> None:
            nn.synchronize()

        def epoch(self, x: np.ndarray, y: np.ndarray, batch: int, on_device: bool) -> None:
            rng = np.random.default_rng(0)
            if on_device:
                self.kept = getattr(self, "kept", None) or (nn.asarray(x), nn.asarray(y))
                order = nn.asarray(rng.permutation(len(x)))
                parts = (order[i : i + batch] for i in range(0, len(x) - batch + 1, batch))
                data: Any = ((self.kept[0][part], self.kept[1][part]) for part in parts)
            else:
                data = prefetch(epoch_batches(x, y, batch, rng))
            for pair in data:
                self._on(*pair)
            self.finish()

    return Run(net, task, weights, batches)


def _torch(contender: str, net: Net, task: Task, weights: Weights, batches: Batches) -> Any:
    import torch
    from contenders import torch_
    from torch.nn import functional as F

    if not torch.cuda.is_available():
        raise RuntimeError("torch has no CUDA device: is it the CPU's build?")
    tf32 = os.environ["CUPY_TF32"] == "1"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True

    class Run(torch_.Training):
        def start(self) -> None:
            self.task = "sgd" if task == "inference" else task
            super().start()
            if self.task == "adam" and contender == "torch graph":
                for group in self.optimizer.param_groups:
                    group["capturable"] = True
            self.graph = None
            if contender == "torch graph":
                self._record()

        def _on(self, x: Any, y: Any) -> None:
            if task == "inference":
                with torch.inference_mode():
                    self.value = F.cross_entropy(self.call(x), y)
                return
            self.optimizer.zero_grad(set_to_none=True)
            self.value = F.cross_entropy(self.call(x), y)
            self.value.backward()
            self.optimizer.step()

        def _record(self) -> None:
            self.inputs = tuple(part.clone() for part in self.batches[0])
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(3):
                    self._on(*self.inputs)
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            self.optimizer.zero_grad(set_to_none=True)
            with torch.cuda.graph(graph):
                self._on(*self.inputs)
            self._restore()
            self.graph = graph

        @torch.no_grad()
        def _restore(self) -> None:
            """The initial weights and an empty state, in place, after what warming up did to them."""
            kept = self.optimizer
            super().start()
            self.optimizer = kept
            for state in kept.state.values():
                for value in state.values():
                    if torch.is_tensor(value):
                        value.zero_()

        def step(self) -> None:
            self._feed(*next(self.next))

        def _feed(self, x: Any, y: Any) -> None:
            if self.graph is None:
                self._on(x, y)
                return
            self.inputs[0].copy_(x, non_blocking=True)
            self.inputs[1].copy_(y, non_blocking=True)
            self.graph.replay()

        def finish(self) -> None:
            torch.cuda.synchronize()

        def epoch(self, x: np.ndarray, y: np.ndarray, batch: int, on_device: bool) -> None:
            rng = np.random.default_rng(0)
            if on_device:
                self.kept = getattr(self, "kept", None) or (torch.from_numpy(x).cuda(), torch.from_numpy(y).cuda())
                order = torch.from_numpy(rng.permutation(len(x))).cuda()
                for i in range(0, len(x) - batch + 1, batch):
                    self._feed(*(part[order[i : i + batch]] for part in self.kept))
            else:
                for pair in epoch_batches(x, y, batch, rng):
                    parts = (torch.from_numpy(part).pin_memory() for part in pair)
                    self._feed(*(part.to("cuda", non_blocking=True) for part in parts))
            self.finish()

    model = torch.nn.Sequential(*map(torch_.layer, net.ops)).cuda()
    layout = "channels_last" if net.has("conv") and tf32 else "nchw"
    run = Run(model, task, weights, batches, f"{layout} {'foreach' if contender == 'torch graph' else 'fused'}")
    run.batches = [(x.cuda(), y.cuda()) for x, y in run.batches]
    return run


def _jax(contender: str, net: Net, task: Task, weights: Weights, batches: Batches) -> Any:
    import jax
    from contenders import jax_

    if jax.default_backend() != "gpu":
        raise RuntimeError("jax has no GPU: pip install jax[cuda13]")

    class Run(jax_.Training):
        def _compiled(self) -> Any:
            return jax.jit(self.value_of) if task == "inference" else super()._compiled()

        def step(self) -> None:
            self._on(*next(self.next))

        def _on(self, x: Any, y: Any) -> None:
            if task == "inference":
                self.value = self.compiled(self.params, x, y)
            else:
                self.params, self.state, self.value = self.compiled(self.params, self.state, x, y)

        def finish(self) -> None:
            jax.block_until_ready((self.params, self.value))

        def epoch(self, x: np.ndarray, y: np.ndarray, batch: int, on_device: bool) -> None:
            rng = np.random.default_rng(0)
            x = x.transpose(0, 2, 3, 1)
            if on_device:
                self.kept = getattr(self, "kept", None) or (jax.device_put(x), jax.device_put(y))
                order = jax.device_put(rng.permutation(len(x)))
                for i in range(0, len(x) - batch + 1, batch):
                    self._on(*(part[order[i : i + batch]] for part in self.kept))
            else:
                ahead = None  # device_put returns before the copy is made: the next batch travels meanwhile
                for pair in epoch_batches(x, y, batch, rng):
                    ahead, now = jax.device_put(pair), ahead
                    if now is not None:
                        self._on(*now)
                self._on(*ahead)
            self.finish()

    return Run(net, task, weights, batches, jax_.variants(net, task)[0])
