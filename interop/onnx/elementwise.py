"""ONNX operators that act on each element, and how any of them runs by a layer."""

from collections.abc import Callable

from ...backend import Array, xp
from ...layers import Layer
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


def _elementwise(function: Callable[..., Array]) -> Callable[..., Array]:
    def operator(node: Node, *values: Array) -> Array:
        make.check_elementwise(node)
        return function(*values)

    return operator


ELEMENTWISE: dict[str, Callable[..., Array]] = dict.fromkeys(make.ACTIVATION_LAYERS, _activation) | {
    "Abs": _elementwise(lambda x: abs(x)),
    "Add": _elementwise(lambda a, b: a + b),
    "Clip": _clip,
    "Div": _elementwise(_divide),
    "Erf": _elementwise(erf),
    "Exp": _elementwise(lambda x: xp.exp(x)),
    "Identity": _elementwise(lambda x: x),
    "Log": _elementwise(lambda x: xp.log(x)),
    "Mul": _elementwise(lambda a, b: a * b),
    "Neg": _elementwise(lambda x: -x),
    "PRelu": _prelu,
    "Sqrt": _elementwise(lambda x: xp.sqrt(x)),
    "Sub": _elementwise(lambda a, b: a - b),
    "Sum": _elementwise(lambda first, *others: sum(others, first)),
}
"""For each operator, a function of the node and its input values (None if omitted) that returns its output."""
