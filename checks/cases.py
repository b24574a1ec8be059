"""The cases of ``xpnn gradcheck``: every layer and loss, and the networks."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from .. import layers as L
from .. import models
from ..backend import asarray


class Case(NamedTuple):
    """The arguments of one check: a layer or a loss, an input, and gradcheck's options."""

    layer: L.Layer | L.Loss
    x: np.ndarray | tuple[np.ndarray, ...]
    options: dict[str, Any]


def model_cases(model: str, seed: int) -> Iterator[Case]:
    """A network of ``xpnn train`` (LeNet-5 in both variants) with its training loss."""
    rng = np.random.default_rng(seed)
    labels = {"loss": L.SoftmaxCrossEntropy(), "targets": rng.integers(0, 10, 3)}
    if model == "mlp":
        yield Case(models.MLP((64, 32, 16, 10), rng=rng), rng.standard_normal((3, 64)), labels)
    elif model == "lenet5":
        images = rng.standard_normal((3, 1, 28, 28))
        yield Case(models.LeNet5(rng=rng), images, labels)
        yield Case(models.LeNet5(variant="1998", rng=rng), images, labels | {"loss": L.RBFLoss(80.0)})
    elif model == "rnn":
        yield Case(models.RNNClassifier(8, 32, rng=rng), rng.standard_normal((3, 8, 8)), labels)
    else:
        symbols = rng.integers(0, 26, (3, 13))
        charrnn = models.CharRNN("abcdefghijklmnopqrstuvwxyz", 32, 16, rng=rng)
        yield Case(charrnn, symbols[:, :-1], labels | {"targets": symbols[:, 1:]})


def layer_cases(seed: int) -> Iterator[Case]:
    """Every layer and loss, with each combination of options that changes backward.

    Sizes are small, so that nearly every array is checked element by element. As many sizes as possible are equal, so
    that a wrongly transposed matrix would still fit and give wrong values, not an error.
    """
    rng = np.random.default_rng(seed)
    yield from _plain_cases(rng)
    yield from _recurrent_cases(rng)
    yield _randomised(rng, Case(L.Embedding(5, 3), rng.integers(0, 5, (3, 4)), {}))
    yield _case(rng, L.Flatten(), (2, 3, 2, 2))
    yield _case(rng, L.Dropout(0.4, rng=seed), (4, 5))
    activations = L.Sigmoid(), L.Tanh(), L.ScaledTanh(), L.ReLU(), L.LeakyReLU(0.1), L.LeakyReLU(-0.5), L.Softmax()
    for activation in activations:
        yield _case(rng, activation, (3, 4))
    yield _case(rng, L.RBF(rng.standard_normal((3, 4))), (2, 4))
    yield from _network_cases(rng)
    yield from _loss_cases(rng)
    yield from _resizing_cases(rng)
    yield from _modern_cases(rng)


def _plain_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Cases of Dense, convolutions, pooling and batch normalisation."""
    yield _case(rng, L.Dense(4, 4), (3, 4))
    yield _case(rng, L.Dense(3, 2), (2, 4, 3))
    yield _case(rng, L.Dense(4, 4, bias=False), (3, 4))
    yield _case(rng, L.Conv2D(1, 4, 2), (2, 1, 4, 4))
    yield _case(rng, L.Conv2D(2, 4, 2, groups=2, bias=False), (2, 2, 3, 3))
    yield _case(rng, L.Conv2D(2, 3, (2, 3)), (2, 2, 2, 3))
    yield _case(rng, L.Conv2D(2, 3, (3, 2), stride=(2, 3), padding=(1, 2)), (2, 2, 5, 4))
    yield _case(rng, L.Conv2D(4, 6, 2, padding=1, dilation=(2, 3), groups=2), (2, 4, 4, 4))
    yield _case(rng, L.Conv2D(4, 2, (2, 3), padding=(0, 1), dilation=(2, 1), groups=2), (2, 4, 4, 3))
    yield _case(rng, L.Conv2D(1, 2, 2, padding="same"), (2, 1, 2, 3))
    yield _case(rng, L.MappedConv2D(3, ((0, 1), (2,), (1, 0, 2)), 2, padding=1), (2, 3, 3, 4))
    yield _case(rng, L.MaxPool2D(2), (2, 2, 4, 4))
    yield _case(rng, L.MaxPool2D(3, 2, 1), (2, 2, 5, 4))
    yield _case(rng, L.AvgPool2D(2), (2, 2, 4, 4))
    yield _case(rng, L.AvgPool2D((3, 2), (2, 1), (1, 0)), (2, 2, 5, 4))
    yield _case(rng, L.GlobalAvgPool2D(), (2, 3, 3, 4))
    yield _case(rng, L.Subsample2D(3), (2, 3, 4, 4))
    yield _case(rng, L.BatchNorm1D(3), (5, 3))
    yield _case(rng, L.BatchNorm1D(3), (3, 3, 4))
    yield _case(rng, L.BatchNorm2D(2), (3, 2, 3, 4))


def _recurrent_cases(rng: np.random.Generator) -> Iterator[Case]:
    for recurrent in (L.RNN, L.LSTM, L.GRU):
        yield _case(rng, recurrent(3, 3), (2, 4, 3))
        yield _case(rng, recurrent(3, 3, return_sequences=True), (2, 4, 3))
        yield _case(rng, recurrent(3, 3, bias=False), (2, 4, 3))
        yield _case(rng, recurrent(3, 3), (3, 4, 3), lengths=[1, 4, 2])
        yield _case(rng, recurrent(3, 3, return_sequences=True), (3, 4, 3), lengths=[1, 4, 2])
    yield _case(rng, _encoder_decoder(), ((3, 4, 2), (3, 3, 2)))
    yield _case(rng, L.Bidirectional(L.RNN(2, 2, return_sequences=True)), (3, 3, 2), lengths=[1, 3, 2])
    yield _case(rng, L.Bidirectional(L.RNN(2, 2), merge="sum"), (2, 3, 2))


def _encoder_decoder() -> models.Graph:
    """A network whose decoder continues from the encoder's last h and learns its own c_0."""
    encoder = L.Bidirectional(L.GRU(2, 2, return_state=True, initial_state="learned"))
    decoder = L.LSTM(2, 4, return_sequences=True, initial_state=("given", "learned"))
    nodes = {"encoder": (encoder, "x"), "decoder": (decoder, "z", "encoder.h")}
    return models.Graph(nodes, inputs=("x", "z"))


def _network_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Cases of layers that join values, and of layers made of layers."""
    yield _case(rng, L.Residual(models.Sequential(L.Dense(4, 4), L.Tanh())), (3, 4))
    yield _case(rng, L.Residual(L.Conv2D(2, 3, 3, padding=1), L.Conv2D(2, 3, 1)), (2, 2, 3, 3))
    for join in (L.Add(), L.Multiply()):
        yield _case(rng, join, ((2, 3, 4), (2, 1, 4), (2, 3, 4)))
    yield _case(rng, L.Concat(), ((2, 3, 4), (2, 2, 4)))
    yield _case(rng, L.Concat(-1), ((2, 3, 2), (2, 3, 1), (2, 3, 3)))
    dense = [L.Dense(4, 4) for _ in range(3)]
    fork = models.Graph({"a": dense[0], "b": L.Tanh(), "c": (dense[1], "a"), "d": (L.Add(), "c", "b", "x", "b")})
    yield _case(rng, fork, (3, 4))
    rnn = L.RNN(3, 3, return_sequences=True)
    yield _case(rng, models.Graph({"r": rnn, "y": (L.Concat(-1), "r", "x")}), (3, 4, 3), lengths=[1, 4, 2])
    product = {"a": (dense[2], "x"), "b": (L.Multiply(), "a", "z"), "c": (L.Tanh(), "b")}
    yield _case(rng, models.Graph(product, inputs=("x", "z"), outputs=("c", "a")), ((3, 4), (3, 4)))
    yield _case(rng, models.Sequential(L.Dense(4, 4), L.Softmax()), (3, 4))
    yield _case(rng, models.Sequential(L.Dense(4, 4), L.Tanh(), L.Dense(4, 4), L.Sigmoid()), (3, 4))
    tagger = models.Sequential(L.RNN(3, 3, return_sequences=True), L.Dense(3, 3))
    yield _case(rng, tagger, (2, 3, 3), lengths=[1, 3])


def _loss_cases(rng: np.random.Generator) -> Iterator[Case]:
    cross_entropy, labels, w = L.SoftmaxCrossEntropy(), rng.integers(0, 4, (2, 3)), {"weights": rng.random(2)}
    yield _case(rng, cross_entropy, (3, 4), targets=np.array([2, 0, 3]))
    yield _case(rng, cross_entropy, (2, 3, 4), targets=labels)
    yield _case(rng, cross_entropy, (2, 3, 4), targets=rng.random((2, 3, 4)))
    yield _case(rng, cross_entropy, (2, 3, 4), targets=rng.random((2, 3, 4)), **w)
    labels = np.where(labels == labels[0, 0], -100, labels)
    for loss in (cross_entropy, L.SoftmaxCrossEntropy(label_smoothing=0.2)):
        yield _case(rng, loss, (2, 3, 4), targets=labels)
        yield _case(rng, loss, (2, 3, 4), targets=labels, weights=rng.random((2, 3)))
    yield _case(rng, L.RBFLoss(1.0), (3, 4), targets=np.array([2, 0, 3]))
    yield _case(rng, L.RBFLoss(1.0), (2, 3, 4), targets=labels, **w)
    for error in (L.HalfSquaredError(), L.MeanSquaredError(), L.MeanAbsoluteError(), L.Huber(0.5), L.PoissonNLL()):
        targets = rng.exponential(size=(2, 3)) if isinstance(error, L.PoissonNLL) else rng.standard_normal((2, 3))
        yield _case(rng, error, (2, 3), targets=targets)
        yield _case(rng, error, (2, 3), targets=targets, **w)
    yield Case(L.PoissonNLL(log_input=False), rng.uniform(1, 2, (2, 3)), {"targets": rng.integers(0, 4, (2, 3))})
    for binary in (L.BinaryCrossEntropy(), L.BinaryCrossEntropy(pos_weight=[0.5, 2.0, 3.0])):
        yield _case(rng, binary, (2, 3), targets=rng.random((2, 3)))
        yield _case(rng, binary, (2, 3), targets=rng.integers(0, 2, (2, 3)), weights=rng.random((2, 3)))


def _resizing_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Cases of the layers in ``layers/modern`` that resize images and signals."""
    yield _case(rng, L.Conv1D(2, 4, 2, bias=False), (2, 2, 4))
    yield _case(rng, L.Conv1D(4, 6, 3, stride=2, padding=1, dilation=2, groups=2), (2, 4, 6))
    yield _case(rng, L.Conv1D(2, 2, 2, padding="same"), (2, 2, 4))
    yield _case(rng, L.MaxPool1D(3, 2, 1), (2, 2, 5))
    yield _case(rng, L.AvgPool1D(3, 2, 1), (2, 2, 5))
    yield _case(rng, L.GlobalMaxPool1D(), (2, 3, 4))
    yield _case(rng, L.GlobalMaxPool2D(), (2, 3, 3, 4))
    yield _case(rng, L.GlobalAvgPool1D(), (2, 3, 4))
    yield _case(rng, L.ConvTranspose2D(2, 2, 2, bias=False), (2, 2, 2, 2))
    yield _case(rng, L.ConvTranspose2D(2, 3, (3, 2), (2, 3), (1, 0), (1, 2)), (2, 2, 2, 3))
    yield _case(rng, L.ConvTranspose2D(4, 6, 2, output_padding=1, groups=2, dilation=2), (2, 4, 2, 3))
    yield _case(rng, L.Upsample2D((2, 3)), (2, 2, 3, 2))
    yield _case(rng, L.Permute(3, 1, 2), (2, 3, 3, 3))
    yield _case(rng, L.Reshape(3, 2), (2, 2, 3))
    yield _case(rng, L.Slice(1, -1), (2, 4, 3))
    yield _case(rng, L.Affine((3, 1)), (2, 3, 3))
    yield _case(rng, L.Affine((), learned=False), (2, 3))


def _modern_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Cases of ``layers/modern``; inputs are up to a few units large, so that some lie on each side of every kink."""
    yield _case(rng, L.LayerNorm(4), (3, 2, 4))
    yield _case(rng, L.LayerNorm((3, 3), bias=False), (2, 2, 3, 3))
    yield _case(rng, L.LayerNorm(4, affine=False), (3, 4))
    yield _case(rng, L.LogSoftmax(), (3, 4))
    yield _case(rng, L.PReLU(), (3, 4))
    yield _case(rng, L.PReLU(3), (3, 3, 2, 2))
    for activation in (
        *(L.ELU(), L.ELU(0.5), L.SiLU(), L.GELU(), L.GELU("tanh"), L.Softplus(), L.Softplus(2, threshold=1)),
        *(L.ReLU6(), L.Clip(-2, 1), L.HardSigmoid(), L.HardSigmoid(0.4, 0.2), L.HardSwish()),
    ):
        yield Case(activation, 3 * rng.standard_normal((4, 5)), {})


def _case(rng: np.random.Generator, layer: L.Layer | L.Loss, shape: tuple[Any, ...], **options: Any) -> Case:
    """The case of a random input of this shape, or of several inputs for several shapes."""
    several = isinstance(shape[0], tuple)
    x: Any = tuple(rng.standard_normal(one) for one in shape) if several else rng.standard_normal(shape)
    return _randomised(rng, Case(layer, x, options))


def _randomised(rng: np.random.Generator, case: Case) -> Case:
    """The case with random parameters: a backward that omits a scale of 1 or a bias of 0 would go unnoticed."""
    if isinstance(case.layer, L.Layer):
        params = case.layer.flat_params
        params[...] = asarray(0.6 * rng.standard_normal(params.shape), params.dtype)
    return case
