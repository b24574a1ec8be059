"""Differentiable functions, one kind per file, forward and backward written by hand."""

from . import modern
from .activations import LeakyReLU, ReLU, ScaledTanh, Sigmoid, Softmax, Tanh
from .base import Backward, Layer
from .batchnorm import BatchNorm1D, BatchNorm2D
from .composite import Composite
from .conv import Conv2D
from .dense import Dense
from .dropout import Dropout
from .embedding import Embedding
from .flatten import Flatten
from .gru import GRU
from .inference import inference, inferring
from .init import initial
from .losses import (
    BinaryCrossEntropy,
    HalfSquaredError,
    Huber,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    PoissonNLL,
    SoftmaxCrossEntropy,
)
from .lstm import LSTM
from .mapped_conv import MappedConv2D
from .modern import *
from .pool import AvgPool2D, GlobalAvgPool2D, MaxPool2D
from .rbf import RBF, RBFLoss
from .residual import Residual
from .rnn import RNN
from .subsample import Subsample2D

__all__ = [
    "GRU",
    "LSTM",
    "RBF",
    "RNN",
    "AvgPool2D",
    "Backward",
    "BatchNorm1D",
    "BatchNorm2D",
    "BinaryCrossEntropy",
    "Composite",
    "Conv2D",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GlobalAvgPool2D",
    "HalfSquaredError",
    "Huber",
    "Layer",
    "LeakyReLU",
    "Loss",
    "MappedConv2D",
    "MaxPool2D",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "PoissonNLL",
    "RBFLoss",
    "ReLU",
    "Residual",
    "ScaledTanh",
    "Sigmoid",
    "Softmax",
    "SoftmaxCrossEntropy",
    "Subsample2D",
    "Tanh",
    "inference",
    "inferring",
    "initial",
]

__all__ += modern.__all__
