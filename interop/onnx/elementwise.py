"""Elementwise ONNX operators, and how a layer runs an operator."""

import math
from collections.abc import Callable
from functools import reduce

from ...backend import Array, xp
from ...layers import ELU, Layer, Softplus
from ...layers.modern.erf import erf
from . import layers as make
from .node import Node


def at_least_one(x: Array) -> Array:
    """The batch x, or a sample of zeros if it is empty, since layers refuse an empty batch."""
    return x if len(x) else xp.zeros((1, *x.shape[1:]), dtype=x.dtype)


def apply(layer: Layer, x: Array) -> Array:
    """The layer's output; an empty batch gives an empty output."""
    return layer(at_least_one(x))[: len(x)]


def _activation(node: Node, x: Array) -> Array:
    return apply(make.activation(node), x)


def _clip(node: Node, x: Array, low: Array | None = None, high: Array | None = None) -> Array:
    o = node.options("min", "max")
    low, high = o.min if low is None else low, o.max if high is None else high
    x = x if low is None else xp.maximum(x, low)
    return x if high is None else xp.minimum(x, high)


def _prelu(node: Node, x: Array, slope: Array) -> Array:
    node.options()
    if node.opset < 7 and slope.size > 1:  # one for each channel; since then, broadcast from the right
        slope = slope.reshape(-1, *[1] * (x.ndim - 2))
    return xp.where(x > 0, x, slope * x)


def _divide(a: Array, b: Array) -> Array:
    if a.dtype.kind == "f":
        return a / b
    quotient = a // b  # rounded down; ONNX rounds towards 0
    return quotient + ((quotient < 0) & (quotient * b != a)).astype(a.dtype)


def _mod(node: Node, a: Array, b: Array) -> Array:
    """The remainder with the divisor's sign, or with ``fmod`` the dividend's."""
    return xp.fmod(a, b) if node.options("fmod").fmod else xp.mod(a, b)


def _celu(node: Node, x: Array) -> Array:
    alpha = node.options("alpha").alpha
    return alpha * apply(ELU(), x / alpha)


def _selu(node: Node, x: Array) -> Array:
    o = node.options("alpha", "gamma")
    return o.gamma * apply(ELU(o.alpha), x)


def _thresholded(node: Node, x: Array) -> Array:
    return xp.where(x > node.options("alpha").alpha, x, 0).astype(x.dtype)


def _elementwise(node: Node, *values: Array) -> Array:
    make.check_elementwise(node)
    return FUNCTIONS[node.op](*values)


FUNCTIONS: dict[str, Callable[..., Array]] = {
    "Abs": abs,
    "Add": lambda a, b: a + b,
    "And": lambda a, b: a & b,
    "Ceil": xp.ceil,
    "Cos": xp.cos,
    "Div": _divide,
    "Equal": lambda a, b: a == b,
    "Erf": erf,
    "Exp": xp.exp,
    "Floor": xp.floor,
    "Greater": lambda a, b: a > b,
    "GreaterOrEqual": lambda a, b: a >= b,
    "Identity": lambda x: x,
    "IsNaN": xp.isnan,
    "Less": lambda a, b: a < b,
    "LessOrEqual": lambda a, b: a <= b,
    "Log": xp.log,
    "Max": lambda *values: reduce(xp.maximum, values),
    "Mean": lambda *values: sum(values[1:], values[0]) / len(values),
    "Min": lambda *values: reduce(xp.minimum, values),
    "Mish": lambda x: x * xp.tanh(apply(Softplus(threshold=math.inf), x)),
    "Mul": lambda a, b: a * b,
    "Neg": lambda x: -x,
    "Not": lambda x: ~x,
    "Or": lambda a, b: a | b,
    "Pow": lambda a, b: xp.power(a, b).astype(a.dtype),  # the result has the base's type
    "Reciprocal": lambda x: 1 / x,
    "Round": xp.rint,
    "Sign": xp.sign,
    "Sin": xp.sin,
    "Softsign": lambda x: x / (1 + abs(x)),
    "Sqrt": xp.sqrt,
    "Sub": lambda a, b: a - b,
    "Sum": lambda *values: sum(values[1:], values[0]),
    "Xor": lambda a, b: a ^ b,
}
"""The functions of operators without attributes."""

ELEMENTWISE: dict[str, Callable[..., Array]] = {
    **dict.fromkeys(make.ACTIVATION_LAYERS, _activation),
    **dict.fromkeys(FUNCTIONS, _elementwise),
    "Celu": _celu,
    "Clip": _clip,
    "Mod": _mod,
    "PRelu": _prelu,
    "Selu": _selu,
    "ThresholdedRelu": _thresholded,
}
"""For each operator, a function of the node and its input values (None if omitted) that returns its output."""
