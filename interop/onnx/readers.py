"""From the ONNX nodes that make up a layer to the layer, starting at the last node."""

from math import prod
from typing import Any

import numpy as np

from ... import layers
from ...backend import Array, to_numpy, xp
from ...layers import Layer
from ...layers.pool import Pool
from ...models import Sequential
from . import layers as make
from .modern_readers import MODERN, product, quotient
from .node import Node, shortest
from .recurrent_readers import recurrent
from .walk import LayerFinder, LayerReader, Reader


def _gemm(reader: Reader, node: Node) -> tuple[Layer, str]:
    if node.attributes.get("transA"):
        node.refuse("transA", "the batch comes first in xpnn", 1)
    C = reader.optional_weight(node, 2, 0, 1, 2)
    if C is not None and C.ndim == 2 and len(C) != 1:
        node.refuse("C", "xpnn's bias is one vector", C.shape)
    return make.gemm(node, reader.weight(node, 1, 2), None if C is None else C.reshape(-1)), node.inputs[0]


def _matmul(reader: Reader, node: Node, b: Array | None = None) -> tuple[Layer, str]:
    node.options()
    return make.dense(reader.weight(node, 1, 2).T, b), node.inputs[0]


def _add(reader: Reader, node: Node) -> tuple[Layer, str]:
    """The bias of a Dense, convolution or Subsample2D layer; else an Affine layer."""
    make.check_elementwise(node)
    (value,) = reader.sources(node)
    if reader.behind(value, "Mul", "Mul", "AveragePool"):
        return _subsample(reader, node)
    before, c = reader.producers.get(value), reader.constant(node, reader.operand(node))
    if before is not None and c is not None and reader.uses[value] == 1 and len(list(filter(None, before.inputs))) == 2:
        rank, shape = reader.ranks.get(value, 2), (1,) * 4 + c.shape
        channels = {"MatMul": -1, "Gemm": -1, "Conv": 1 - rank, "ConvTranspose": 1 - rank}.get(before.op)
        if channels is not None and c.size == shape[channels] and c.ndim <= rank:
            b = reader.weight(node, reader.operand(node), 0, 1, 2, 3, 4).reshape(-1)
            return _biased(reader, before, b), before.inputs[0]
    return _affine(reader, node)


def _biased(reader: Reader, node: Node, b: Array) -> Layer:
    """The layer of a node without a bias, with this one, of one element for each channel or for all."""
    if node.op == "MatMul":
        return _matmul(reader, node, b)[0]
    if node.op == "Gemm":
        return make.gemm(node, reader.weight(node, 1, 2), b)
    W = reader.weight(node, 1, 3, 4)
    channels = len(W) if node.op == "Conv" else W.shape[1] * node.attributes.get("group", 1)
    b = xp.broadcast_to(b, (channels,))
    return make.conv(node, W, b)[0] if node.op == "Conv" else make.conv_transpose(node, W, b)


def _affine(reader: Reader, node: Node) -> tuple[Layer, str]:
    """An Add, Sub, Mul or Div of a value and a constant."""
    make.check_elementwise(node)
    (value,), index = reader.sources(node), reader.operand(node)
    c, rank = reader.weight(node, index, *range(8)), reader.ranks.get(value)
    if rank is None or (node.op == "Div" and index == 0):
        node.refuse("operator", "xpnn has no layer that divides by a value, or by what has an unknown number of axes")
    shape = (1,) * (rank - c.ndim) + c.shape
    if c.ndim > rank or shape[0] != 1:
        node.refuse(f"input {index}", "it differs from sample to sample", c.shape)
    shape = () if c.size == 1 else shape[1:]
    layer = layers.Affine(shape, bool(shape) and reader.learned(value), dtype=c.dtype.name)
    c = c.reshape(shape)
    one, zero = xp.ones_like(c), xp.zeros_like(c)
    scale, offset = {
        "Add": lambda: (one, c),
        "Div": lambda: (1 / c, zero),
        "Mul": lambda: (c, zero),
        "Sub": lambda: (one, -c) if index else (-one, c),
    }[node.op]()
    (layer.params if layer.learned else layer.buffers).update(scale=scale, offset=offset)
    return layer, value


def _subsample(reader: Reader, add: Node) -> tuple[Layer, str]:
    (value,) = reader.sources(add)
    mul, mean, pool = reader.behind(value, "Mul", "Mul", "AveragePool")
    for node in (mul, mean):
        make.check_elementwise(node)
    layer, x = _pool(reader, pool)
    W, bias = reader.weight(mul, reader.operand(mul), 3), reader.weight(add, reader.operand(add), 3)
    if W.shape != (W.size, 1, 1) or bias.shape != W.shape:
        mul.refuse("input 1", "xpnn's subsampling has one coefficient and one bias a map", W.shape)
    area = reader.number(mean, reader.operand(mean), 0.0)
    size: Any = layer.size
    if layer.stride != size or any(layer.padding) or area != prod(size):
        pool.refuse("strides", "xpnn's subsampling windows lie beside each other, and it takes their sum", layer.stride)
    subsample = layers.Subsample2D(W.size, size, rng=0, dtype=W.dtype.name)
    return make.with_params(subsample, W=W.reshape(-1), b=bias.reshape(-1)), x


def _conv(reader: Reader, node: Node) -> tuple[Layer, str]:
    scatter = reader.producers.get(node.inputs[1])
    if scatter is not None and scatter.op == "ScatterND":
        return _mapped_conv(reader, node, scatter)
    conv, _ = make.conv(node, reader.weight(node, 1, 3, 4, 5), reader.optional_weight(node, 2, 1))
    return conv, node.inputs[0]


def _mapped_conv(reader: Reader, node: Node, scatter: Node) -> tuple[Layer, str]:
    zeros, table = reader.weight(scatter, 0, 4), reader.constant(scatter, 1)
    kernels, b = reader.weight(scatter, 2, 3), reader.weight(node, 2, 1)
    reduction = scatter.options("reduction").reduction
    if reduction not in (None, "none"):
        scatter.refuse("reduction", "xpnn writes each place once", reduction)
    conv, _ = make.conv(node, zeros, b)
    connections: list[list[int]] = [[] for _ in range(len(zeros))]
    pairs = [] if table is None or table.ndim != 2 or table.shape[1] != 2 else table.tolist()
    for d, c in pairs:
        connections[d].append(c)
    sorted_pairs = [[d, c] for d, maps in enumerate(connections) for c in maps]
    plain = conv.groups == 1 and conv.dilation == (1, 1) and conv.pads[0] == conv.pads[1]
    if zeros.any() or not pairs or pairs != sorted_pairs or not plain:
        scatter.refuse("indices", "xpnn's connection table goes by output map, one kernel a pair, zeros elsewhere")
    settings: Any = conv.kernel_size, conv.stride, conv.pads[0]
    mapped = layers.MappedConv2D(zeros.shape[1], connections, *settings, rng=0, dtype=kernels.dtype.name)
    return make.with_params(mapped, W=kernels, b=b), node.inputs[0]


def _conv_transpose(reader: Reader, node: Node) -> tuple[Layer, str]:
    weights = reader.weight(node, 1, 3, 4, 5), reader.optional_weight(node, 2, 1)
    return make.conv_transpose(node, *weights), node.inputs[0]


def _upsample(reader: Reader, node: Node) -> tuple[Layer, str]:
    scales = reader.constant(node, 2 if node.op == "Resize" and node.opset > 10 else 1)
    o = make.resize_options(node)
    return make.upsample(node, o, o.scales if scales is None else scales.tolist()), node.inputs[0]


def _pool(reader: Reader, node: Node) -> tuple[Pool, str]:
    return make.pool(node)[0], node.inputs[0]


def _batch_norm(reader: Reader, node: Node) -> tuple[Layer, str]:
    rank = reader.ranks.get(node.inputs[0])
    if rank not in (2, 3, 4):
        node.refuse("input 0", "xpnn normalises values of two to four axes", rank)
    return make.batch_norm(node, rank, [reader.weight(node, i, 1) for i in range(1, 5)]), node.inputs[0]


def _global_pool(reader: Reader, node: Node) -> tuple[Layer, str]:
    """Of a value whose last axis, or last two axes, are reduced."""
    signals = layers.GlobalAvgPool1D, layers.GlobalMaxPool1D
    images = layers.GlobalAvgPool2D, layers.GlobalMaxPool2D
    kinds = signals if reader.ranks.get(node.inputs[0]) == 3 else images
    return kinds[node.op == "GlobalMaxPool"](), node.inputs[0]


def _flatten(reader: Reader, node: Node) -> tuple[Layer, str]:
    """Where the lengths of the value's axes are not known."""
    if (axis := node.options("axis").axis) != 1:
        node.refuse("axis", "xpnn's Flatten keeps the batch and nothing else", axis)
    return layers.Flatten(), node.inputs[0]


def _layout(reader: Reader, node: Node) -> tuple[Layer, str]:
    """Axes that are split, then put in another order, then joined, as far as each is needed."""
    groups, sizes, free = (node.attributes[key] for key in ("groups", "sizes", "free"))
    flat = [factor for group in groups for factor in group]
    order = sorted(flat, key=lambda factor: (factor[0], -factor[1]))
    perm = [order.index(factor) for factor in flat]
    parts: list[Layer] = []

    def reshape(lengths: list[int], are_free: list[bool]) -> None:
        if sum(are_free) > 1:
            node.refuse("shape", "xpnn's Reshape leaves the length of one axis open")
        parts.append(layers.Reshape(*(-1 if f else n for n, f in zip(lengths, are_free, strict=True))))

    joined, straight = [prod(n for _, _, n in group) for group in groups], perm == sorted(perm)
    if not straight:
        if [n for _, _, n in order[1:]] != list(sizes[1:]):
            of_axis = {factor[0]: f for group, f in zip(groups, free, strict=True) for factor in group}
            reshape([n for _, _, n in order[1:]], [of_axis[axis] for axis, _, _ in order[1:]])
        parts.append(layers.Permute(*perm[1:]))
    if straight or [len(group) for group in groups] != [1] * len(groups):
        if len(groups) == 2:
            parts.append(layers.Flatten())
        elif len(groups) > 2:
            reshape(joined[1:], free[1:])
        else:
            node.refuse("shape", "xpnn's values have an axis besides the batch")
    return parts[0] if len(parts) == 1 else Sequential(*parts), node.inputs[0]


def _section(reader: Reader, node: Node) -> tuple[Layer, str]:
    o = node.attributes
    return layers.Slice(o["start"], o["stop"], o["axis"]), node.inputs[0]


def _refused(reader: Reader, node: Node) -> tuple[Layer, str]:
    raise node.attributes["error"]


def _selu(reader: Reader, node: Node) -> tuple[Layer, str]:
    o = node.options("alpha", "gamma")
    scale = layers.Affine((), False, dtype="float64" if reader.graph.types[node.inputs[0]][0] == np.float64 else "float32")
    scale.buffers["scale"] = np.asarray(o.gamma)
    return Sequential(layers.ELU(shortest(o.alpha)), scale), node.inputs[0]


def _instance_norm(reader: Reader, node: Node) -> tuple[Layer, str]:
    """A LayerNorm of each channel's positions, and each channel's own scale and offset."""
    gamma, beta = reader.weight(node, 1, 1), reader.weight(node, 2, 1)
    _, shape = reader.graph.types.get(node.inputs[0], (None, None))
    if shape is None or None in shape[2:]:
        node.refuse("input 0", "xpnn's LayerNorm normalises values of a known number", shape)
    norm = layers.LayerNorm(shape[2:], shortest(node.options("epsilon").epsilon), affine=False, dtype=gamma.dtype.name)
    affine = layers.Affine((len(gamma), *[1] * (len(shape) - 2)), dtype=gamma.dtype.name)
    make.with_params(affine, scale=gamma.reshape(affine.shape), offset=beta.reshape(affine.shape))
    return Sequential(norm, affine), node.inputs[0]


def _softmax(reader: Reader, node: Node) -> tuple[Layer, str]:
    axis, rank = node.options("axis").axis, reader.ranks.get(node.inputs[0])
    if rank is None and axis >= 0:
        node.refuse("axis", "which axis is the last one is unknown, as the model gives no shape", axis)
    if axis not in (-1, (rank or 0) - 1):
        node.refuse("axis", "xpnn's softmax works along the last axis", axis)
    return layers.Softmax() if node.op == "Softmax" else layers.LogSoftmax(), node.inputs[0]


def _dropout(reader: Reader, node: Node) -> tuple[Layer, str]:
    o = node.options("ratio", "seed", "is_test")
    training = reader.constant(node, 2)
    if o.is_test == 0 or (len(node.inputs) > 2 and node.inputs[2] and (training is None or training)):
        node.refuse("training_mode", "xpnn drops in training only")
    usual = 0.5 if o.ratio is None else shortest(o.ratio)
    if len(node.inputs) < 2 or not node.inputs[1]:
        return layers.Dropout(usual), node.inputs[0]
    ratio = reader.number(node, 1, usual)
    if ratio is None:
        node.refuse("ratio", "xpnn's hyperparameters are constants of the model")
    return layers.Dropout(ratio), node.inputs[0]


def _gather(reader: Reader, node: Node) -> tuple[Layer, str]:
    axis = node.options("axis").axis
    W = reader.weight(node, 0, 2)
    if axis not in (0, -2):
        node.refuse("axis", "xpnn's Embedding takes rows of a matrix", axis)
    return make.embedding(W), node.inputs[1]


def _scaled_tanh(reader: Reader, node: Node) -> Layer | None:
    usual = layers.ScaledTanh()
    found = reader.behind(reader.sources(node)[0], "Tanh", "Mul")
    amplitude = reader.number(node, reader.operand(node), usual.amplitude) if found else None
    slope = reader.number(found[1], reader.operand(found[1]), usual.slope) if found else None
    same = found and reader.path(found[1]) == reader.path(node)
    return layers.ScaledTanh(amplitude, slope) if amplitude is not None and slope is not None and same else None


def _rbf(reader: Reader, node: Node) -> tuple[Layer, str]:
    found = reader.behind(node.inputs[0], "ReduceSum", "Mul", "Sub", "Layout")
    if not found or found[1].inputs[0] != found[1].inputs[1] or found[3].attributes["groups"][1]:
        node.refuse("operator", "xpnn has it only as the end of a squared distance")
    centers = reader.weight(found[2], reader.operand(found[2]), 2)
    return layers.RBF(to_numpy(centers), dtype=centers.dtype.name), found[3].inputs[0]


def _div(reader: Reader, node: Node) -> tuple[Layer, str]:
    return quotient(reader, node) or _affine(reader, node)


def _mul(reader: Reader, node: Node) -> tuple[Layer, str]:
    if found := product(reader, node):
        return found
    if tanh := _scaled_tanh(reader, node):
        return tanh, reader.sources(reader.behind(reader.sources(node)[0], "Tanh", "Mul")[1])[0]
    return _affine(reader, node)


READERS: dict[str, LayerReader] = {
    **MODERN,
    "Add": _add,
    "AveragePool": _pool,
    "BatchNormalization": _batch_norm,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Div": _div,
    "Dropout": _dropout,
    "Flatten": _flatten,
    "GRU": recurrent,
    "Gather": _gather,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_pool,
    "GlobalMaxPool": _global_pool,
    "InstanceNormalization": _instance_norm,
    "LSTM": recurrent,
    "Layout": _layout,
    "LogSoftmax": _softmax,
    "MatMul": _matmul,
    "MaxPool": _pool,
    "Mul": _mul,
    "Neg": _rbf,
    "RNN": recurrent,
    "Refused": _refused,
    "Resize": _upsample,
    "Section": _section,
    "Selu": _selu,
    "Softmax": _softmax,
    "Sub": _affine,
    "Upsample": _upsample,
}
"""For the last operator of a layer's nodes, the function that makes the layer and names the value it reads."""

JOINED: dict[str, LayerFinder] = {"Mul": product}
"""The same for operators that also join values, where no layer may end."""
