"""ONNX operators that act on each element, and how any of them runs by a layer."""

import math
from collections.abc import Callable
from functools import reduce

from ...backend import Array, xp
from ...layers import ELU, Layer, Softplus
from ...layers.modern.erf import erf
from . import layers as make
from .node import Node


def at_least_one(x: Array) -> Array:
    """The batch x, or one sample of zeros in place of none, since layers refuse an empty batch."""
    return x if len(x) else xp.zeros((1, *x.shape[1:]), dtype=x.dtype)


def apply(layer: Layer, x: Array) -> Array:
    """The layer's output, of no samples for none."""
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


def _power(a: Array, b: Array) -> Array:
    return xp.power(a, b).astype(a.dtype)  # in the base's type, whatever the exponent's


def _mod(node: Node, a: Array, b: Array) -> Array:
    """With the divisor's sign, or with ``fmod`` the dividend's."""
    return xp.fmod(a, b) if node.options("fmod").fmod else xp.mod(a, b)


def _celu(node: Node, x: Array) -> Array:
    alpha = node.options("alpha").alpha
    return alpha * apply(ELU(), x / alpha)


def _selu(node: Node, x: Array) -> Array:
    o = node.options("alpha", "gamma")
    return o.gamma * apply(ELU(o.alpha), x)


def _thresholded(node: Node, x: Array) -> Array:
    return xp.where(x > node.options("alpha").alpha, x, 0).astype(x.dtype)


def _several(function: Callable[..., Array]) -> Callable[..., Array]:
    """An operator of any number of values, two by two."""
    return _elementwise(lambda first, *others: reduce(function, others, first))


def _elementwise(function: Callable[..., Array]) -> Callable[..., Array]:
    def operator(node: Node, *values: Array) -> Array:
        make.check_elementwise(node)
        return function(*values)

    return operator


ELEMENTWISE: dict[str, Callable[..., Array]] = dict.fromkeys(make.ACTIVATION_LAYERS, _activation) | {
    "Abs": _elementwise(lambda x: abs(x)),
    "Add": _elementwise(lambda a, b: a + b),
    "And": _elementwise(lambda a, b: a & b),
    "Ceil": _elementwise(lambda x: xp.ceil(x)),
    "Celu": _celu,
    "Clip": _clip,
    "Cos": _elementwise(lambda x: xp.cos(x)),
    "Div": _elementwise(_divide),
    "Equal": _elementwise(lambda a, b: a == b),
    "Erf": _elementwise(erf),
    "Exp": _elementwise(lambda x: xp.exp(x)),
    "Floor": _elementwise(lambda x: xp.floor(x)),
    "Greater": _elementwise(lambda a, b: a > b),
    "GreaterOrEqual": _elementwise(lambda a, b: a >= b),
    "Identity": _elementwise(lambda x: x),
    "IsNaN": _elementwise(lambda x: xp.isnan(x)),
    "Less": _elementwise(lambda a, b: a < b),
    "LessOrEqual": _elementwise(lambda a, b: a <= b),
    "Log": _elementwise(lambda x: xp.log(x)),
    "Max": _several(lambda a, b: xp.maximum(a, b)),
    "Mean": _elementwise(lambda *values: sum(values[1:], values[0]) / len(values)),
    "Min": _several(lambda a, b: xp.minimum(a, b)),
    "Mish": _elementwise(lambda x: x * xp.tanh(apply(Softplus(threshold=math.inf), x))),
    "Mod": _mod,
    "Mul": _elementwise(lambda a, b: a * b),
    "Neg": _elementwise(lambda x: -x),
    "Not": _elementwise(lambda x: ~x),
    "Or": _elementwise(lambda a, b: a | b),
    "PRelu": _prelu,
    "Pow": _elementwise(_power),
    "Reciprocal": _elementwise(lambda x: 1 / x),
    "Round": _elementwise(lambda x: xp.rint(x)),
    "Selu": _selu,
    "Sign": _elementwise(lambda x: xp.sign(x)),
    "Sin": _elementwise(lambda x: xp.sin(x)),
    "Softsign": _elementwise(lambda x: x / (1 + abs(x))),
    "Sqrt": _elementwise(lambda x: xp.sqrt(x)),
    "Sub": _elementwise(lambda a, b: a - b),
    "Sum": _several(lambda a, b: a + b),
    "ThresholdedRelu": _thresholded,
    "Xor": _elementwise(lambda a, b: a ^ b),
}
"""For each operator, a function of the node and its input values (None if omitted) that returns its output."""
