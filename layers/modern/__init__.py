"""Layers that today's networks are made of, beyond those of the source document."""

from .bidirectional import Bidirectional
from .layernorm import LayerNorm
from .log_softmax import LogSoftmax
from .piecewise import Clip, HardSigmoid, HardSwish, PReLU, ReLU6
from .smooth import ELU, GELU, SiLU, Softplus

__all__ = [
    "ELU",
    "GELU",
    "Bidirectional",
    "Clip",
    "HardSigmoid",
    "HardSwish",
    "LayerNorm",
    "LogSoftmax",
    "PReLU",
    "ReLU6",
    "SiLU",
    "Softplus",
]
