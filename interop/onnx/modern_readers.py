"""Turn ONNX nodes into layers of ``layers/modern``, starting at the last node, as in ``readers.py``."""

import math
from collections.abc import Callable
from functools import partial
from itertools import permutations
from typing import Any

from ... import layers
from ...layers import Layer
from . import layers as make
from .node import Node, shortest
from .walk import LayerReader, Reader

# Patterns: an operator and its inputs, where "x" is the layer's input, and a number is a constant of that value.
_CLIPPED = ("Clip", ("Add", "x", 3.0), 0.0, 6.0)
_CUBIC = ("Add", "x", ("Mul", ("Mul", "x", ("Mul", "x", "x")), 0.044715))
_GELUS = {
    "none": ("Add", ("Erf", ("Div", "x", math.sqrt(2))), 1.0),
    "tanh": ("Add", ("Tanh", ("Mul", _CUBIC, math.sqrt(2 / math.pi))), 1.0),
}
PRODUCTS: list[tuple[Callable[[], Layer], Any]] = [
    (layers.SiLU, ("Mul", "x", ("Sigmoid", "x"))),
    (layers.HardSwish, ("Mul", "x", ("Div", _CLIPPED, 6.0))),
]
PRODUCTS += [
    (partial(layers.GELU, how), ("Mul", *factors))
    for how, twice in _GELUS.items()  # halved after the product, as PyTorch writes it, or before
    for factors in ((("Mul", "x", twice), 0.5), (("Mul", "x", 0.5), twice), (("Mul", twice, 0.5), "x"))
]


def product(reader: Reader, node: Node) -> tuple[Layer, str] | None:
    """The layer in PRODUCTS that ends with this Mul, if there is one."""
    for layer, pattern in PRODUCTS:
        x = _match(reader, node.outputs[0], pattern, reader.path(node))
        if x is not None:
            return layer(), x
    return None


def _match(reader: Reader, value: str, pattern: Any, path: tuple[str, ...], x: str | None = None) -> str | None:
    """The value of the pattern's x, which must be ``x`` if this is given; None if the pattern does not match.

    In a file that xpnn wrote, all its nodes must have the same path: a product of a Graph's nodes is not one layer.
    """
    if pattern == "x":
        return value if x in (None, value) else None
    node = reader.producers.get(value)
    if node is None or node.op != pattern[0] or len(node.inputs) != len(pattern) - 1 or reader.path(node) != path:
        return None
    make.check_elementwise(node)
    for order in permutations(range(len(node.inputs))) if node.op in ("Add", "Mul") else [range(len(node.inputs))]:
        found, fits = x, True
        for index, each in zip(order, pattern[1:], strict=True):
            if isinstance(each, float):
                fits = fits and reader.number(node, index, each) == each
            else:
                found = _match(reader, node.inputs[index], each, path, found) if fits else None
                fits = found is not None
        if fits:
            return found
    return None


def quotient(reader: Reader, node: Node) -> tuple[Layer, str] | None:
    """Softplus(beta x) / beta, or x ReLU6(x + 3) / 6, which is HardSwish."""
    found = reader.behind(node.inputs[0], "Softplus", "Mul")
    after = reader.number(node, 1, 1.0) if found else None
    before = reader.number(found[1], reader.operand(found[1]), 1.0) if found else None
    if after is not None and after == before:
        make.check_elementwise(found[1])
        return layers.Softplus(after), reader.sources(found[1])[0]
    x = _match(reader, node.outputs[0], ("Div", ("Mul", "x", _CLIPPED), 6.0), reader.path(node))
    return None if x is None else (layers.HardSwish(), x)


def _where(reader: Reader, node: Node) -> tuple[Layer, str]:
    """A softplus with PyTorch's threshold: x where beta x > threshold, else softplus(beta x) / beta."""
    divided = reader.behind(node.inputs[2], "Div", "Softplus", "Mul")
    beta = reader.number(divided[0], 1, 1.0) if divided else 1.0
    scaled = ("Mul", "x", beta) if divided else "x"
    plain = ("Softplus", scaled)
    greater = reader.producers.get(node.inputs[0])
    threshold = reader.number(greater, 1, 20.0) if greater is not None and greater.op == "Greater" else None
    pattern = ("Where", ("Greater", scaled, threshold), "x", ("Div", plain, beta) if divided else plain)
    x = _match(reader, node.outputs[0], pattern, reader.path(node))
    if x is None or beta is None or threshold is None:
        node.refuse("operator", "xpnn has it only in a softplus with a threshold")
    return layers.Softplus(beta, threshold), x


def _clip(reader: Reader, node: Node) -> tuple[Layer, str]:
    o = node.options("min", "max")
    bounds = []
    for index, attribute, none in ((1, o.min, -math.inf), (2, o.max, math.inf)):
        given = len(node.inputs) > index and node.inputs[index]
        bound = reader.number(node, index, 0.0) if given else none if attribute is None else shortest(attribute)
        if bound is None:
            node.refuse(f"input {index}", "xpnn's hyperparameters are constants of the model")
        bounds.append(bound)
    return layers.ReLU6() if bounds == [0, 6] else layers.Clip(*bounds), node.inputs[0]


def _prelu(reader: Reader, node: Node) -> tuple[Layer, str]:
    node.options()
    alpha, rank = reader.weight(node, 1, 0, 1, 2, 3, 4), reader.ranks.get(node.inputs[0], 2)
    whole = alpha.shape if node.opset < 7 else ((1,) * rank + alpha.shape)[-rank:]  # its shape when broadcast
    if alpha.size > 1 and whole not in ((alpha.size,), (1, alpha.size, *[1] * (rank - 2))):
        node.refuse("input 1", "xpnn's PReLU has one slope, or one for each channel", alpha.shape)
    layer = layers.PReLU(alpha.size, dtype=alpha.dtype.name)
    return make.with_params(layer, alpha=alpha.reshape(-1)), node.inputs[0]


def plain_norm(reader: Reader, node: Node, axis: int) -> layers.LayerNorm:
    """A LayerNorm without parameters, over the axes from this one on."""
    x = node.inputs[0]
    lengths = [n for n in reader.lengths(x)[axis:] if n is not None]
    if not lengths or len(lengths) < len(reader.lengths(x)[axis:]):
        node.refuse("input 0", "xpnn's LayerNorm normalises values of a known number", reader.lengths(x) or None)
    eps = shortest(node.attributes.get("epsilon", 1e-5))
    return layers.LayerNorm(lengths, eps, affine=False, dtype=reader.dtype(x))


def _layer_norm(reader: Reader, node: Node) -> tuple[Layer, str]:
    if len(node.inputs) == 1:  # made from several operators, without gamma; see layer_norms.py
        return plain_norm(reader, node, node.attributes["axis"]), node.inputs[0]
    gamma, beta = reader.weight(node, 1, 1, 2, 3), reader.optional_weight(node, 2, 1, 2, 3)
    axis, rank = node.options(*make.LAYER_NORM).axis, reader.ranks.get(node.inputs[0], 0)
    if gamma.ndim != (-axis if axis < 0 else rank - axis) or (beta is not None and beta.shape != gamma.shape):
        node.refuse("axis", "xpnn's LayerNorm has a gamma, and a beta if any, for each value that it normalises", axis)
    plain = reader.graph.from_xpnn and node.inputs[1].endswith("/ones")
    return make.layer_norm(node, gamma, beta, affine=not plain), node.inputs[0]


def _activation(reader: Reader, node: Node) -> tuple[Layer, str]:
    return make.activation(node), node.inputs[0]


MODERN: dict[str, LayerReader] = {
    **dict.fromkeys(make.ACTIVATION_LAYERS, _activation),
    "Clip": _clip,
    "LayerNormalization": _layer_norm,
    "PRelu": _prelu,
    "Where": _where,
}
