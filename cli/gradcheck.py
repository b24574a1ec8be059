"""``xpnn gradcheck``: every layer's backward, and the networks', against differences."""

import argparse
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..backend import asarray
from ..backend import name as backend
from ..layers import (
    GRU,
    LSTM,
    RBF,
    RNN,
    AvgPool2D,
    BatchNorm1D,
    BatchNorm2D,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAvgPool2D,
    GradientReport,
    HalfSquaredError,
    Layer,
    LeakyReLU,
    Loss,
    MappedConv2D,
    MaxPool2D,
    RBFLoss,
    ReLU,
    Residual,
    ScaledTanh,
    Sigmoid,
    Softmax,
    SoftmaxCrossEntropy,
    Subsample2D,
    Tanh,
    gradcheck,
)
from ..models import MLP, CharRNN, LeNet5, RNNClassifier, Sequential
from .recipe import MODELS


class Case(NamedTuple):
    """What one check needs: a layer or a loss, an input, and gradcheck's further arguments."""

    layer: Layer | Loss
    x: np.ndarray
    options: dict[str, Any]


def run(args: argparse.Namespace) -> int:
    """Print the reports; 0 if every gradient agrees, else 1."""
    layers = [case for case in layer_cases(args.seed) if not args.names or type(case.layer).__name__ in args.names]
    groups = [[case] for name in MODELS if name in args.names for case in model_cases(name, args.seed)]
    failed = False
    for cases in [layers, *groups] if layers else groups:
        reports = [gradcheck(c.layer, c.x, rng=args.seed, tolerance=args.tolerance, **c.options) for c in cases]
        title = f"gradcheck of {len(reports)} layers and losses, float64 on {backend}, tolerance {args.tolerance:g}"
        rows = tuple(row for report in reports for row in report.rows)
        report = GradientReport(title if len(reports) > 1 else reports[0].title, rows)
        print(report, end="\n\n")
        failed |= not report.ok
    return int(failed)


def name(text: str) -> str:
    """A model's or a layer's name, for argparse; capitals matter only between rnn, the network, and RNN, the layer."""
    known = [*MODELS, *dict.fromkeys(type(case.layer).__name__ for case in layer_cases(0))]
    if text in known:
        return text
    for candidate in known:
        if candidate.lower() == text.lower():
            return candidate
    raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(known)}")


def model_cases(model: str, seed: int) -> Iterator[Case]:
    """The networks of ``xpnn train``, LeNet-5 in both variants, each under the loss that it is trained with."""
    rng = np.random.default_rng(seed)
    labels = {"loss": SoftmaxCrossEntropy(), "targets": rng.integers(0, 10, 3)}
    if model == "mlp":
        yield Case(MLP((64, 32, 16, 10), rng=rng), rng.standard_normal((3, 64)), labels)
    elif model == "lenet5":
        images = rng.standard_normal((3, 1, 28, 28))
        yield Case(LeNet5(rng=rng), images, labels)
        yield Case(LeNet5(variant="1998", rng=rng), images, labels | {"loss": RBFLoss(80.0)})
    elif model == "rnn":
        yield Case(RNNClassifier(8, 32, rng=rng), rng.standard_normal((3, 8, 8)), labels)
    else:
        symbols = rng.integers(0, 26, (3, 13))
        charrnn = CharRNN("abcdefghijklmnopqrstuvwxyz", 32, 16, rng=rng)
        yield Case(charrnn, symbols[:, :-1], labels | {"targets": symbols[:, 1:]})


def layer_cases(seed: int) -> Iterator[Case]:
    """Every layer and loss, where its options change backward in each of its forms.

    Sizes are small, so that nearly all is checked element by element, and as many as may be are equal, so that a
    transposed matrix would still fit.
    """
    rng = np.random.default_rng(seed)
    yield _case(rng, Dense(4, 4), (3, 4))
    yield _case(rng, Dense(3, 2), (2, 4, 3))
    yield _case(rng, Conv2D(1, 4, 2), (2, 1, 4, 4))
    yield _case(rng, Conv2D(2, 3, (2, 3)), (2, 2, 2, 3))
    yield _case(rng, Conv2D(2, 3, (3, 2), stride=(2, 3), padding=(1, 2)), (2, 2, 5, 4))
    yield _case(rng, Conv2D(4, 6, 2, padding=1, dilation=(2, 3), groups=2), (2, 4, 4, 4))
    yield _case(rng, Conv2D(4, 2, (2, 3), padding=(0, 1), dilation=(2, 1), groups=2), (2, 4, 4, 3))
    yield _case(rng, MappedConv2D(3, ((0, 1), (2,), (1, 0, 2)), 2, padding=1), (2, 3, 3, 4))
    yield _case(rng, MaxPool2D(2), (2, 2, 4, 4))
    yield _case(rng, MaxPool2D(3, 2, 1), (2, 2, 5, 4))
    yield _case(rng, AvgPool2D(2), (2, 2, 4, 4))
    yield _case(rng, AvgPool2D((3, 2), (2, 1), (1, 0)), (2, 2, 5, 4))
    yield _case(rng, GlobalAvgPool2D(), (2, 3, 3, 4))
    yield _case(rng, Subsample2D(3), (2, 3, 4, 4))
    yield _case(rng, BatchNorm1D(3), (5, 3))
    yield _case(rng, BatchNorm1D(3), (3, 3, 4))
    yield _case(rng, BatchNorm2D(2), (3, 2, 3, 4))
    for recurrent in (RNN, LSTM, GRU):
        yield _case(rng, recurrent(3, 3), (2, 4, 3))
        yield _case(rng, recurrent(3, 3, return_sequences=True), (2, 4, 3))
        yield _case(rng, recurrent(3, 3), (3, 4, 3), lengths=[1, 4, 2])
        yield _case(rng, recurrent(3, 3, return_sequences=True), (3, 4, 3), lengths=[1, 4, 2])
    yield _randomised(rng, Case(Embedding(5, 3), rng.integers(0, 5, (3, 4)), {}))
    yield _case(rng, Flatten(), (2, 3, 2, 2))
    yield _case(rng, Dropout(0.4, rng=seed), (4, 5))
    for activation in (Sigmoid(), Tanh(), ScaledTanh(), ReLU(), LeakyReLU(0.1), Softmax()):
        yield _case(rng, activation, (3, 4))
    yield _case(rng, RBF(rng.standard_normal((3, 4))), (2, 4))
    yield _case(rng, Residual(Sequential(Dense(4, 4), Tanh())), (3, 4))
    yield _case(rng, Residual(Conv2D(2, 3, 3, padding=1), Conv2D(2, 3, 1)), (2, 2, 3, 3))
    yield _case(rng, Sequential(Dense(4, 4), Softmax()), (3, 4))
    yield _case(rng, Sequential(Dense(4, 4), Tanh(), Dense(4, 4), Sigmoid()), (3, 4))
    yield _case(rng, SoftmaxCrossEntropy(), (3, 4), targets=np.array([2, 0, 3]))
    yield _case(rng, SoftmaxCrossEntropy(), (2, 3, 4), targets=rng.integers(0, 4, (2, 3)))
    yield _case(rng, HalfSquaredError(), (3, 4), targets=rng.standard_normal((3, 4)))
    yield _case(rng, RBFLoss(1.0), (3, 4), targets=np.array([2, 0, 3]))


def _case(rng: np.random.Generator, layer: Layer | Loss, shape: tuple[int, ...], **options: Any) -> Case:
    return _randomised(rng, Case(layer, rng.standard_normal(shape), options))


def _randomised(rng: np.random.Generator, case: Case) -> Case:
    """With parameters off their initial values: a scale of 1 or a bias of 0 would hide that backward forgets it."""
    if isinstance(case.layer, Layer):
        params = case.layer.flat_params
        params[...] = asarray(0.6 * rng.standard_normal(params.shape), params.dtype)
    return case
