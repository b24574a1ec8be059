"""Compiles C files that xpnn has written, and runs them."""

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np

import xpnn as nn
from xpnn.checks.cases import layer_cases

CC = os.environ.get("CC", "gcc")
STRICT = "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion", "-Wdouble-promotion"
SANITIZED = "-O0", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"
NO_COMPILER = shutil.which(CC) is None and os.environ.get("XPNN_REQUIRE_PEERS", "0") in ("", "0")


def compiled(*arguments: object, compiler: str = CC) -> None:
    """Run the compiler; its warnings are errors."""
    words = [compiler, *STRICT, *map(str, arguments), "-lm"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert not done.returncode, done.stderr[:3000]


def difference(source: Path, *options: str, compiler: str = CC, under: tuple[str, ...] = ()) -> float:
    """The largest difference, in units of max(1, |xpnn's output|), that the file's own test program finds."""
    program = source.with_suffix("")
    compiled("-DXPNN_TEST", *options, source, "-o", program, compiler=compiler)
    done = subprocess.run([*under, program], capture_output=True, text=True)
    assert not done.returncode, done.stdout[-500:] + done.stderr[:3000]
    lines = done.stdout.splitlines()
    assert lines.pop() == "passed: 0 outputs differ"
    y, expected = np.array([line.split() for line in lines], dtype=float).T
    return float((np.abs(y - expected) / np.maximum(1, np.abs(expected))).max())


def library(source: Path, *options: str) -> ctypes.CDLL:
    """Its functions."""
    target = source.with_suffix(".so")
    compiled("-shared", "-fPIC", *(options or ("-O1",)), source, "-o", target)
    return ctypes.CDLL(str(target))


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def every_layer() -> list[tuple[nn.Layer, tuple[np.ndarray, ...]]]:
    """Each layer of the gradient check, in each combination of options, with one sample of each input."""
    cases = [case for case in layer_cases(0) if isinstance(case.layer, nn.Layer)]
    cases = [case for case in cases if not isinstance(case.layer, nn.Graph) or len(case.layer.outputs) == 1]
    return [(layer, tuple(one[:1] for one in (x if isinstance(x, tuple) else (x,)))) for layer, x, _ in cases]


def networks() -> list[tuple[nn.Layer, tuple[np.ndarray, ...]]]:
    """Small networks in which layers work in place, share the workspace, branch and join."""
    rng = np.random.default_rng(1)

    def conv(C: int, D: int, *options: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2D(C, D, 3, *options, rng=rng), nn.BatchNorm2D(D), nn.ReLU())

    block = nn.Residual(nn.Sequential(conv(3, 5, 2, 1), nn.Dropout()), nn.Conv2D(3, 5, 1, 2, rng=rng))
    resnet = nn.Sequential(
        block, nn.Residual(conv(5, 5, 1, 1)), nn.GlobalAvgPool2D(), nn.Dense(5, 4, rng=rng), nn.Tanh()
    )
    unet = nn.Graph({
        "a": conv(3, 4, 1, 1), "down": nn.MaxPool2D(2), "deep": conv(4, 6, 1, 1),
        "up": nn.ConvTranspose2D(6, 4, 2, 2, rng=rng), "gate": (nn.Multiply(), "a", "up"),
        "both": (nn.Concat(), "gate", "a", "x"), "y": nn.Conv2D(11, 2, 1, rng=rng),
    })  # fmt: skip
    kept = nn.Graph({  # what is read again, or is an output, must not be written over
        "a": nn.Dense(6, 6, rng=rng), "b": nn.ReLU(), "c": (nn.Tanh(), "a"), "d": (nn.Add(), "b", "c", "a", "x"),
        "e": nn.Sigmoid(), "y": (nn.Concat(), "e", "d", "b"),
    })  # fmt: skip
    many = nn.Sequential(*[layer for _ in range(3) for layer in (nn.Dense(6, 6, rng=rng), nn.LayerNorm(6), nn.ReLU())])
    deep = nn.RNNClassifier(3, 5, 4, cell=nn.GRU, num_layers=2, bidirectional=True, rng=rng)
    images, rows = rng.standard_normal((1, 3, 6, 8)), rng.standard_normal((1, 6))
    text = nn.CharRNN("abcde", 6, 4, cell=nn.LSTM, rng=rng), (np.array([[0, 4, 2, 2]]),)
    nets: list[tuple[nn.Layer, tuple[np.ndarray, ...]]] = [(net, (images,)) for net in (resnet, unet)]
    return [*nets, (kept, (rows,)), (many, (rows,)), (deep, (rng.standard_normal((1, 4, 3)),)), text]


def together(cases: list[tuple[nn.Layer, tuple[np.ndarray, ...]]]) -> tuple[nn.Graph, tuple[np.ndarray, ...]]:
    """All of them in one network, each with inputs and an output of its own, and its sample."""
    inputs = {f"x{i}_{k}": x for i, (_, xs) in enumerate(cases) for k, x in enumerate(xs)}
    nodes = {f"y{i}": (layer, *(f"x{i}_{k}" for k in range(len(xs)))) for i, (layer, xs) in enumerate(cases)}
    outputs = [f"y{i}{key}" for i, (layer, _) in enumerate(cases) for key in ("", *(f".{g}" for g in layer.gives))]
    one = nn.Graph(nodes, inputs=tuple(inputs), outputs=outputs)
    return one, tuple(x.astype("float32") if x.dtype.kind == "f" else x for x in inputs.values())
