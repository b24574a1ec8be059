"""Turn ONNX nodes into layers that multiply and add parameters or constants, starting at the last node."""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from ... import layers
from ...backend import Array, xp
from ...layers import Layer
from ...models import Sequential
from . import layers as make
from .conv_readers import convolution, transposed
from .modern_writers import FIXED
from .node import Node, shortest
from .walk import Reader

# fmt: off
PARAMETRIC = {
    "BatchNormalization", "Conv", "ConvTranspose", "GRU", "Gather", "Gemm", "InstanceNormalization", "LSTM",
    "LayerNormalization", "MatMul", "RNN",
}
# fmt: on
"""Operators whose layers have parameters, or whose own gamma and beta may stand in a Mul and an Add after it."""


def gemm(reader: Reader, node: Node, b: Array | None = None) -> tuple[Layer, str]:
    if node.attributes.get("transA"):
        node.refuse("transA", "the batch comes first in xpnn", 1)
    if b is None and (C := reader.optional_weight(node, 2, 0, 1, 2)) is not None:
        if C.ndim == 2 and len(C) != 1:
            node.refuse("C", "xpnn's bias is one vector", C.shape)
        b = C.reshape(-1) * node.attributes.get("beta", 1.0)
    return make.gemm(node, reader.weight(node, 1, 2), b), node.inputs[0]


def matmul(reader: Reader, node: Node, b: Array | None = None) -> tuple[Layer, str]:
    node.options()
    return make.dense(reader.weight(node, 1, 2).T, b), node.inputs[0]


BIASED: dict[str, Callable[[Reader, Node, Array | None], tuple[Layer, str]]] = {
    "Conv": convolution,
    "ConvTranspose": transposed,
    "Gemm": gemm,
    "MatMul": matmul,
}
"""For each operator whose bias may be an Add, the function that makes the layer."""


def add(reader: Reader, node: Node) -> tuple[Layer, str]:
    """The bias of a Dense, convolution or Subsample2D layer; else an Affine layer."""
    make.check_elementwise(node)
    (value,) = reader.sources(node)
    if reader.behind(value, "Mul", "Mul", "AveragePool"):
        return subsample(reader, node)
    before, c = reader.producers.get(value), reader.constant(node, reader.operand(node))
    if before is not None and c is not None and reader.uses[value] == 1 and len(list(filter(None, before.inputs))) == 2:
        rank, shape = reader.ranks.get(value, 2), (1,) * 4 + c.shape
        channels = 1 - rank if before.op in ("Conv", "ConvTranspose") else -1
        if before.op in BIASED and c.size == shape[channels] and c.ndim <= rank:
            b = reader.weight(node, reader.operand(node), 0, 1, 2, 3, 4).reshape(-1)
            return biased(reader, before, b)
    return affine(reader, node)


def biased(reader: Reader, node: Node, b: Array) -> tuple[Layer, str]:
    """The layer of a node without a bias, with this bias, which has one element per channel or one for all."""
    W = reader.constant(node, 1)
    if W is not None and node.op in ("Conv", "ConvTranspose"):
        channels = len(W) if node.op == "Conv" else W.shape[1] * node.attributes.get("group", 1)
        b = xp.broadcast_to(b, (channels,))
    return BIASED[node.op](reader, node, b)


def affine(reader: Reader, node: Node) -> tuple[Layer, str]:
    """An Add, Sub, Mul or Div of a value and a constant; a Mul and the Add after it form one layer."""
    make.check_elementwise(node)
    if len(reader.sources(node)) > 1:
        node.refuse("operator", "xpnn joins values by sums, by products, or side by side")
    (value,), index = reader.sources(node), reader.operand(node)
    c = constant(reader, node, value)
    name, before = node.inputs[index], reader.producers.get(value)
    if node.op == "Div" and index == 0:
        node.refuse("operator", "xpnn has no layer that divides by a value")
    scale, offset = (1 / c if node.op == "Div" else c), xp.zeros_like(c)
    if node.op in ("Add", "Sub"):
        sign = -1 if node.op == "Sub" else 1
        scale, offset = xp.full_like(c, 1 if index else sign), c * (sign if index else 1)
    one = before is not None and before.op == "Mul" and reader.uses[value] == 1 and node.op == "Add"
    if one and before and len(reader.sources(before)) == 1 and reader.path(before) == reader.path(node):
        factor = constant(reader, before, reader.sources(before)[0])
        if factor.shape == c.shape:
            scale, value = factor, reader.sources(before)[0]
    learned = FIXED not in name if reader.graph.from_xpnn else bool(c.shape) and _learned(reader, value)
    layer = layers.Affine(c.shape, learned, dtype=c.dtype.name)
    (layer.params if learned else layer.buffers).update(scale=scale, offset=offset)
    return layer, value


def constant(reader: Reader, node: Node, value: str) -> Array:
    """The constant operand, without the batch's axis; without any axes if it is a single number."""
    index, rank = reader.operand(node), reader.ranks.get(value)
    c = reader.weight(node, index, *range(8))
    if c.size == 1:
        return c.reshape(())
    if rank is None or c.ndim > rank or (c.ndim == rank and len(c) != 1):
        node.refuse(f"input {index}", "it differs from sample to sample", c.shape)
    return c.reshape(((1,) * (rank - c.ndim) + c.shape)[1:])


def subsample(reader: Reader, add: Node) -> tuple[Layer, str]:
    (value,) = reader.sources(add)
    mul, mean, pool = reader.behind(value, "Mul", "Mul", "AveragePool")
    for node in (mul, mean):
        make.check_elementwise(node)
    layer, x = make.pool(pool)[0], pool.inputs[0]
    W, bias = reader.weight(mul, reader.operand(mul), 3), reader.weight(add, reader.operand(add), 3)
    if W.shape != (W.size, 1, 1) or bias.shape != W.shape:
        mul.refuse("input 1", "xpnn's subsampling has one coefficient and one bias a map", W.shape)
    area = reader.number(mean, reader.operand(mean), 0.0)
    size: Any = layer.size
    if layer.stride != size or any(layer.padding) or area != prod(size):
        pool.refuse("strides", "xpnn's subsampling windows lie beside each other, and it takes their sum", layer.stride)
    subsample = layers.Subsample2D(W.size, size, rng=0, dtype=W.dtype.name)
    return make.with_params(subsample, W=W.reshape(-1), b=bias.reshape(-1)), x


def selu(reader: Reader, node: Node) -> tuple[Layer, str]:
    o = node.options("alpha", "gamma")
    scale = layers.Affine((), learned=False, dtype=reader.dtype(node.inputs[0]))
    scale.buffers["scale"] = np.asarray(o.gamma)
    return Sequential(layers.ELU(shortest(o.alpha)), scale), node.inputs[0]


def scaler(reader: Reader, node: Node) -> tuple[Layer, str]:
    """(x - offset) scale, as in scikit-learn's preprocessing."""
    o = node.options("offset", "scale")
    layer = layers.Affine((max(len(o.offset), len(o.scale)),), learned=False)
    scale, offset = np.asarray(o.scale, "float32"), np.asarray(o.offset, "float32")
    values = {"scale": scale, "offset": -offset * scale}
    layer.buffers.update({key: np.broadcast_to(value, layer.shape) for key, value in values.items()})
    return layer, node.inputs[0]


def _learned(reader: Reader, value: str) -> bool:
    """Whether this value depends on parameters; a scaling before all parameters is one of the data."""
    todo, seen = [value], set[str]()
    while todo:
        node = reader.producers.get(todo.pop())
        if node is not None and node.outputs[0] not in seen:
            seen.add(node.outputs[0])
            todo += reader.sources(node)
            if node.op in PARAMETRIC:
                return True
    return False
