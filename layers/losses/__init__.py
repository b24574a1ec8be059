"""Losses: as layers, but with two inputs, and backward takes no argument."""

from .base import Differentiated, Loss
from .cross_entropy import SoftmaxCrossEntropy, counted, soft_cross_entropy, softmax_cross_entropy
from .elementwise import BinaryCrossEntropy, Huber, MeanAbsoluteError, MeanSquaredError, PoissonNLL
from .half_squared_error import HalfSquaredError

__all__ = [
    "BinaryCrossEntropy",
    "Differentiated",
    "HalfSquaredError",
    "Huber",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "PoissonNLL",
    "SoftmaxCrossEntropy",
    "counted",
    "soft_cross_entropy",
    "softmax_cross_entropy",
]
