"""29 networks as people write them in PyTorch: which of their exports xpnn reads, trains on and runs.

    python tests/peers/onnx_corpus.py [FOLDER]      the table in docs/onnx.md; the files stay in FOLDER if one is given

Each network goes through both of PyTorch's exporters with a free batch (the one based on TorchScript,
``dynamo=False``, and the one based on ``torch.export``). What ``load`` and ``Backend`` give is compared with
onnxruntime, and what ``load`` gives is trained for a step. Needs torch, onnxscript and onnxruntime.
"""

import contextlib
import io
import logging
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from torch import nn as T

import xpnn as nn
from xpnn.interop import onnx as interop

TOLERANCE = 1e-4
"""The largest difference from onnxruntime's outputs, relative to their largest absolute value if it is above 1."""


class Net(T.Module):
    """The layers given, and a function of them and the inputs."""

    def __init__(self, run: Callable[..., Any], **layers: T.Module) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.run = run

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.run(self, *inputs)


def lenet(head: Callable[[torch.Tensor], torch.Tensor]) -> T.Module:
    def run(s: Any, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(s.c1(x)), 2)
        x = head(F.max_pool2d(F.relu(s.c2(x)), 2))
        return F.log_softmax(s.f3(F.relu(s.f2(F.relu(s.f1(x))))), dim=1)

    convs = {"c1": T.Conv2d(1, 6, 5), "c2": T.Conv2d(6, 16, 5)}
    return Net(run, **convs, f1=T.Linear(256, 120), f2=T.Linear(120, 84), f3=T.Linear(84, 10))


def recurrent(cell: type[T.RNNBase], head: Callable[..., torch.Tensor], features: int = 16, **options: Any) -> T.Module:
    """Sequences of 8 features through a cell; ``head`` takes what the cell returns."""
    layer = cell(8, 16, batch_first=True, **options)
    return Net(lambda s, x: s.f(head(*s.r(x))), r=layer, f=T.Linear(features, 3))


def block(i: int, o: int, stride: int) -> T.Module:
    body = T.Sequential(
        *(T.Conv2d(i, o, 3, stride, 1, bias=False), T.BatchNorm2d(o), T.ReLU()),
        *(T.Conv2d(o, o, 3, 1, 1, bias=False), T.BatchNorm2d(o)),
    )
    if stride == 1 and i == o:
        return Net(lambda s, x: F.relu(s.body(x) + x), body=body)
    down = T.Sequential(T.Conv2d(i, o, 1, stride, bias=False), T.BatchNorm2d(o))
    return Net(lambda s, x: F.relu(s.body(x) + s.down(x)), body=body, down=down)


def unet() -> T.Module:
    def run(s: Any, x: torch.Tensor) -> torch.Tensor:
        a = F.relu(s.a(x))
        b = F.relu(s.b(F.max_pool2d(a, 2)))
        up = s.up(F.relu(s.c(F.max_pool2d(b, 2))))
        d = F.relu(s.d(torch.cat([up, b], 1)))
        return s.e(torch.cat([F.interpolate(d, scale_factor=2), a], 1))

    convs = {"a": T.Conv2d(1, 4, 3, padding=1), "b": T.Conv2d(4, 8, 3, padding=1), "c": T.Conv2d(8, 8, 3, padding=1)}
    return Net(run, **convs, up=T.ConvTranspose2d(8, 8, 2, 2), d=T.Conv2d(16, 8, 3, padding=1), e=T.Conv2d(12, 1, 1))


def autoencoder() -> T.Module:
    """Through a code of 8 values, which a decoder brings back to images."""
    down = T.Sequential(T.Conv2d(1, 8, 3, 2, 1), T.ReLU(), T.Flatten(), T.Linear(512, 8))
    up = T.Sequential(T.Linear(8, 512), T.ReLU(), T.Unflatten(1, (8, 8, 8)))
    return T.Sequential(down, up, T.ConvTranspose2d(8, 1, 3, 2, 1, 1), T.Sigmoid())


def activations() -> T.Module:
    kinds = [T.ELU(), T.PReLU(), T.LeakyReLU(0.1), T.Softplus(beta=2), T.Hardsigmoid(), T.Hardtanh(), T.SELU()]
    kinds.append(T.Mish())
    return T.Sequential(*(part for kind in kinds for part in (T.Linear(8, 8), kind)), T.Linear(8, 3))


def mobilenet() -> T.Module:
    wide = T.Sequential(T.Conv2d(4, 8, 1, bias=False), T.BatchNorm2d(8), T.ReLU6())
    deep = T.Sequential(T.Conv2d(8, 8, 3, padding=1, groups=8, bias=False), T.BatchNorm2d(8), T.Hardswish())
    gate = T.Sequential(T.AdaptiveAvgPool2d(1), T.Conv2d(8, 2, 1), T.ReLU(), T.Conv2d(2, 8, 1), T.Hardsigmoid())

    def run(s: Any, x: torch.Tensor) -> torch.Tensor:
        y = s.deep(s.wide(x))
        return s.f(F.adaptive_avg_pool2d(x + s.narrow(y * s.gate(y)), 1).flatten(1))

    return Net(run, wide=wide, deep=deep, gate=gate, narrow=T.Conv2d(8, 4, 1), f=T.Linear(4, 3))


def residual_mlp() -> T.Module:
    def inner() -> T.Module:
        part = T.Sequential(T.LayerNorm(16), T.Linear(16, 32), T.GELU(), T.Linear(32, 16))
        return Net(lambda s, x: x + s.part(x), part=part)

    return T.Sequential(T.Linear(8, 16), inner(), inner(), T.LayerNorm(16), T.Linear(16, 3))


def text(head: Callable[[Any, torch.Tensor], torch.Tensor], **layers: T.Module) -> T.Module:
    """An embedding of 50 symbols in 8 features, and what ``head`` does with the sequence (N, T, 8)."""
    return Net(lambda s, i: head(s, s.e(i)), e=T.Embedding(50, 8), **layers)


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


IMAGES, SMALL, SIGNALS, SEQUENCES, ROWS = (2, 1, 28, 28), (2, 1, 16, 16), (2, 4, 16), (2, 7, 8), (2, 8)
SYMBOLS = torch.arange(14).reshape(2, 7)


def networks() -> dict[str, tuple[T.Module, tuple[torch.Tensor, ...]]]:
    """Each network and its inputs; the first weights are drawn by PyTorch's generator."""
    torch.manual_seed(0)
    vgg = [
        part
        for i, o in ((1, 4), (4, 8))
        for part in (
            *(T.Conv2d(i, o, 3, padding=1), T.ReLU(), T.Conv2d(o, o, 3, padding="same"), T.ReLU(), T.MaxPool2d(2, 2)),
        )
    ]
    mlp = [T.Flatten(), T.Linear(256, 32), T.BatchNorm1d(32), T.ReLU(), T.Dropout(0.5), T.Linear(32, 10)]
    wide = T.Conv1d(8, 8, 3, padding=1)
    pools = [T.Conv2d(1, 4, 3, padding=1), T.AvgPool2d(3, 2, 1), T.MaxPool2d(3, 2, 1), T.AdaptiveMaxPool2d(1)]
    nets: dict[str, tuple[T.Module, torch.Tensor | tuple[torch.Tensor, ...]]] = {
        "LeNet, flatten(x, 1), log-softmax": (lenet(lambda x: torch.flatten(x, 1)), normal(*IMAGES)),
        "LeNet, view(x.size(0), -1)": (lenet(lambda x: x.view(x.size(0), -1)), normal(*IMAGES)),
        "LeNet, view(-1, 256)": (lenet(lambda x: x.view(-1, 256)), normal(*IMAGES)),
        "MLP, batch norm, dropout": (T.Sequential(*mlp), normal(*SMALL)),
        "VGG-like": (T.Sequential(*vgg, T.Flatten(), T.Dropout(), T.Linear(128, 3)), normal(*SMALL)),
        "ResNet, 2 blocks": (
            T.Sequential(
                *(T.Conv2d(1, 8, 3, 1, 1, bias=False), T.BatchNorm2d(8), T.ReLU(), block(8, 8, 1), block(8, 16, 2)),
                *(T.AdaptiveAvgPool2d(1), T.Flatten(), T.Linear(16, 3)),
            ),
            normal(*SMALL),
        ),
        "MobileNet block, squeeze and excitation": (mobilenet(), normal(2, 4, 8, 8)),
        "LSTM, y[:, -1]": (recurrent(T.LSTM, lambda y, h: y[:, -1]), normal(*SEQUENCES)),
        "LSTM, h[-1]": (recurrent(T.LSTM, lambda y, h: h[0][-1]), normal(*SEQUENCES)),
        "GRU, h[-1]": (recurrent(T.GRU, lambda y, h: h[-1]), normal(*SEQUENCES)),
        "RNN, y[:, -1, :]": (recurrent(T.RNN, lambda y, h: y[:, -1, :]), normal(*SEQUENCES)),
        "LSTM, every step": (recurrent(T.LSTM, lambda y, h: y), normal(*SEQUENCES)),
        "bidirectional LSTM, y[:, -1]": (
            recurrent(T.LSTM, lambda y, h: y[:, -1], 32, bidirectional=True),
            normal(*SEQUENCES),
        ),
        "bidirectional GRU, cat(h[-2], h[-1])": (
            recurrent(T.GRU, lambda y, h: torch.cat([h[-2], h[-1]], 1), 32, bidirectional=True),
            normal(*SEQUENCES),
        ),
        "LSTM, 2 layers, h[-1]": (recurrent(T.LSTM, lambda y, h: h[0][-1], num_layers=2), normal(*SEQUENCES)),
        "Embedding, LSTM": (
            text(lambda s, x: s.f(s.r(x)[1][0][-1]), r=T.LSTM(8, 16, batch_first=True), f=T.Linear(16, 3)),
            SYMBOLS,
        ),
        "bag of words, mean": (text(lambda s, x: s.f(x.mean(1)), f=T.Linear(8, 3)), SYMBOLS),
        "text, Conv1d, max over time": (
            text(lambda s, x: s.f(F.relu(s.c(x.transpose(1, 2))).max(2).values), c=wide, f=T.Linear(8, 3)),
            SYMBOLS,
        ),
        "1-D convolution": (
            T.Sequential(
                *(T.Conv1d(4, 8, 3), T.BatchNorm1d(8), T.ReLU(), T.MaxPool1d(2), T.Conv1d(8, 8, 3, padding=1)),
                *(T.AdaptiveAvgPool1d(1), T.Flatten(), T.Linear(8, 3)),
            ),
            normal(*SIGNALS),
        ),
        "autoencoder, ConvTranspose2d": (autoencoder(), normal(*SMALL)),
        "U-Net": (unet(), normal(*SMALL)),
        "residual MLP, LayerNorm, GELU": (residual_mlp(), normal(*ROWS)),
        "SiLU, softmax": (T.Sequential(T.Linear(8, 16), T.SiLU(), T.Linear(16, 3), T.Softmax(-1)), normal(*ROWS)),
        "ELU, PReLU, SELU, Mish ...": (activations(), normal(*ROWS)),
        "two inputs, cat": (
            Net(
                lambda s, a, b: s.f(torch.cat([F.relu(s.a(a)), F.relu(s.b(b)).mean((2, 3))], 1)),
                **{"a": T.Linear(8, 8), "b": T.Conv2d(1, 4, 3), "f": T.Linear(12, 3)},
            ),
            (normal(*ROWS), normal(*SMALL)),
        ),
        "two outputs": (
            Net(
                lambda s, x: (s.f(F.relu(s.a(x))), s.g(F.relu(s.a(x))).tanh()),
                **{"a": T.Linear(8, 8), "f": T.Linear(8, 3), "g": T.Linear(8, 1)},
            ),
            normal(*ROWS),
        ),
        "Upsample, AvgPool2d": (
            T.Sequential(T.Conv2d(1, 4, 3, padding=1), T.AvgPool2d(2), T.Upsample(scale_factor=2), T.Conv2d(4, 1, 1)),
            normal(*SMALL),
        ),
        "pooling, padded and global": (T.Sequential(*pools, T.Flatten(), T.Linear(4, 3)), normal(*SMALL)),
        "input normalised, GroupNorm, reshape": (
            Net(
                lambda s, x: s.f(F.relu(s.g(s.c((x - 0.1307) / 0.3081))).reshape(x.shape[0], 4, -1).mean(2)),
                **{"c": T.Conv2d(1, 4, 3), "g": T.GroupNorm(2, 4), "f": T.Linear(4, 3)},
            ),
            normal(*SMALL),
        ),
    }
    return {name: (net.eval(), x if isinstance(x, tuple) else (x,)) for name, (net, x) in nets.items()}


def exported(
    net: T.Module, inputs: tuple[torch.Tensor, ...], dynamo: bool, path: Path, opset: int | None = None
) -> None:
    """A file of the network by one of PyTorch's exporters, with a free batch; by default of the exporter's opset."""
    names = [f"x{i}" for i in range(len(inputs))]
    n = {0: torch.export.Dim("n")}
    how: dict[str, Any] = {"dynamic_shapes": ((n,) * len(inputs),) if isinstance(net, Net) else (n,)}
    if not dynamo:
        how = {"dynamic_axes": {name: {0: "n"} for name in names}}
    logging.disable(logging.CRITICAL)
    quiet = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net, inputs, path, input_names=names, opset_version=opset, dynamo=dynamo, external_data=False, **how
        )
    logging.disable(logging.NOTSET)


def judged(path: Path, inputs: tuple[torch.Tensor, ...]) -> tuple[bool, bool]:
    """Whether the network that ``load`` gives is right and learns, and whether ``Backend`` is right.

    Raises:
        AssertionError: a network was loaded that is another one.
    """
    x = [array.numpy() for array in inputs]
    names = [value.name for value in onnx.load(path).graph.input]
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    expected = session.run(None, dict(zip(names, x, strict=True)))
    try:
        ran = agree(interop.Backend.run_model(onnx.load(path), x), expected)
    except interop.UnsupportedNodeError:
        ran = False
    try:
        network = interop.load(path)
    except interop.UnsupportedNodeError as error:
        print(f"{path.name}: {error}", file=sys.stderr)
        return False, ran
    arrays = tuple(map(nn.asarray, x)) if len(x) > 1 else nn.asarray(x[0])
    outputs = network(arrays)
    assert agree(outputs if isinstance(outputs, tuple) else (outputs,), expected), f"{path.name}: another network"
    y, backward = network.forward(arrays, needs_dx=False)
    before = network.flat_params.copy()
    backward(y)  # of E = 1/2 sum of y^2
    nn.SGD(lr=0.01).step(network)
    return bool((network.flat_params != before).any()), ran


def agree(outputs: Sequence[Any], expected: Sequence[np.ndarray]) -> bool:
    """Whether all are alike, up to TOLERANCE."""
    pairs = [(nn.to_numpy(nn.xp.asarray(got)), want) for got, want in zip(outputs, expected, strict=True)]
    return all(
        got.shape == want.shape and abs(got - want).max() <= TOLERANCE * max(1, abs(want).max()) for got, want in pairs
    )


def table(folder: Path) -> str:
    """In Markdown, a row for each network; how many of all files pass."""
    rows, passed = [], np.zeros(2, int)
    for k, (name, (net, inputs)) in enumerate(networks().items()):
        found = []
        for dynamo in (False, True):
            path = folder / f"{k:02d}-{'export' if dynamo else 'script'}.onnx"
            exported(net, inputs, dynamo, path)
            found.append(judged(path, inputs))
            passed += found[-1]
        marks = [{True: "yes", False: "no"}[result[how]] for how in (0, 1) for result in found]
        rows.append(f"| {name} | {' | '.join(marks)} |")
    head = "| network | load, TorchScript | load, torch.export | Backend, TorchScript | Backend, torch.export |"
    count = f"Of {2 * len(rows)} files {passed[0]} are loaded and learn, and {passed[1]} run through `Backend`."
    return "\n".join([head, "|---|---|---|---|---|", *rows, "", count])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Path(sys.argv[1]).mkdir(exist_ok=True)
        print(table(Path(sys.argv[1])))
    else:
        with tempfile.TemporaryDirectory() as name:
            print(table(Path(name)))
