"""Layers that today's networks are made of, beyond those of the source document."""

from .conv_transpose import ConvTranspose2D
from .global_pool import GlobalAvgPool1D, GlobalMaxPool1D, GlobalMaxPool2D
from .signals import AvgPool1D, Conv1D, MaxPool1D
from .upsample import Upsample2D

__all__ = [
    "AvgPool1D",
    "Conv1D",
    "ConvTranspose2D",
    "GlobalAvgPool1D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "MaxPool1D",
    "Upsample2D",
]
