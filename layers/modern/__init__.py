"""Layers of today's networks beyond those of the source document."""

from .affine import Affine
from .bidirectional import Bidirectional
from .conv_transpose import ConvTranspose2D
from .global_pool import GlobalAvgPool1D, GlobalMaxPool1D, GlobalMaxPool2D
from .joins import Add, Concat, Multiply
from .layernorm import LayerNorm
from .log_softmax import LogSoftmax
from .permute import Permute
from .piecewise import Clip, HardSigmoid, HardSwish, PReLU, ReLU6
from .reshape import Reshape
from .signals import AvgPool1D, Conv1D, MaxPool1D
from .slice import Slice
from .smooth import ELU, GELU, SiLU, Softplus
from .upsample import Upsample2D

__all__ = [
    "ELU",
    "GELU",
    "Add",
    "Affine",
    "AvgPool1D",
    "Bidirectional",
    "Clip",
    "Concat",
    "Conv1D",
    "ConvTranspose2D",
    "GlobalAvgPool1D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "HardSigmoid",
    "HardSwish",
    "LayerNorm",
    "LogSoftmax",
    "MaxPool1D",
    "Multiply",
    "PReLU",
    "Permute",
    "ReLU6",
    "Reshape",
    "SiLU",
    "Slice",
    "Softplus",
    "Upsample2D",
]
