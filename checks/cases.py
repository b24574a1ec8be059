"""The cases of ``xpnn gradcheck``: every layer and loss, and the networks."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..backend import asarray
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
)
from ..models import MLP, CharRNN, LeNet5, RNNClassifier, Sequential


class Case(NamedTuple):
    """The arguments of one check: a layer or a loss, an input, and gradcheck's options."""

    layer: Layer | Loss
    x: np.ndarray
    options: dict[str, Any]


def model_cases(model: str, seed: int) -> Iterator[Case]:
    """A network of ``xpnn train`` (LeNet-5 in both variants) with the loss that it is trained with."""
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
    """Every layer and loss, with each combination of options that changes backward.

    Sizes are small, so that nearly every array is checked element by element. As many sizes as possible are equal, so
    that a wrongly transposed matrix would still fit and give wrong values, not an error.
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
    for activation in (Sigmoid(), Tanh(), ScaledTanh(), ReLU(), LeakyReLU(0.1), LeakyReLU(-0.5), Softmax()):
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
    """The case with random parameters: a scale of 1 or a bias of 0 would hide that backward omits it."""
    if isinstance(case.layer, Layer):
        params = case.layer.flat_params
        params[...] = asarray(0.6 * rng.standard_normal(params.shape), params.dtype)
    return case
