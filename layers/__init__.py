"""One differentiable function a file, each written forward and backward by hand."""

from .activations import LeakyReLU, ReLU, Sigmoid, Softmax, Tanh
from .base import Backward, Layer, Parameters
from .conv import Conv2D
from .dense import Dense
from .dropout import Dropout
from .embedding import Embedding
from .flatten import Flatten
from .losses import HalfSquaredError, Loss, SoftmaxCrossEntropy
from .pool import AvgPool2D, MaxPool2D
from .rnn import RNN

__all__ = [
    "RNN",
    "AvgPool2D",
    "Backward",
    "Conv2D",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "HalfSquaredError",
    "Layer",
    "LeakyReLU",
    "Loss",
    "MaxPool2D",
    "Parameters",
    "ReLU",
    "Sigmoid",
    "Softmax",
    "SoftmaxCrossEntropy",
    "Tanh",
]
