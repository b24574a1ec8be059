"""Turn the ONNX nodes that make up a layer into the layer, starting at the last node."""

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from ... import layers
from ...backend import to_numpy
from ...layers import Layer
from ...models import Sequential
from . import layers as make
from .affine_readers import add, affine, gemm, matmul, scaler, selu
from .conv_readers import convolution, pad, pool, transposed
from .modern_readers import MODERN, plain_norm, product, quotient
from .node import Node, shortest
from .resize import resize_options, upsample
from .walk import LayerReader, Reader


def _conv(reader: Reader, node: Node) -> tuple[Layer, str]:
    scatter = reader.producers.get(node.inputs[1])
    if scatter is not None and scatter.op == "ScatterND":
        return _mapped_conv(reader, node, scatter)
    return convolution(reader, node)


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


def _upsample(reader: Reader, node: Node) -> tuple[Layer, str]:
    scales = reader.constant(node, 2 if node.op == "Resize" and node.opset > 10 else 1)
    o = resize_options(node)
    factors = o.scales if scales is None else scales.tolist()
    if not factors and o.axes is None:  # sizes are given, which are not constant for a free batch
        before, after = (reader.lengths(name)[2:] for name in (node.inputs[0], node.outputs[0]))
        factors = [1, 1, *(m / n for n, m in zip(before, after, strict=False) if n and m)]
    return upsample(node, o, factors), node.inputs[0]


def _batch_norm(reader: Reader, node: Node) -> tuple[Layer, str]:
    rank = reader.ranks.get(node.inputs[0])
    if rank not in (2, 3, 4):
        node.refuse("input 0", "xpnn normalises values of two to four axes", rank)
    return make.batch_norm(node, rank, [reader.weight(node, i, 1) for i in range(1, 5)]), node.inputs[0]


def _global_pool(reader: Reader, node: Node) -> tuple[Layer, str]:
    """Global pooling, which reduces a value's last axis or last two axes."""
    signals = layers.GlobalAvgPool1D, layers.GlobalMaxPool1D
    images = layers.GlobalAvgPool2D, layers.GlobalMaxPool2D
    kinds = signals if reader.ranks.get(node.inputs[0]) == 3 else images
    return kinds[node.op == "GlobalMaxPool"](), node.inputs[0]


def _sum(reader: Reader, node: Node) -> tuple[Layer, str]:
    """A sum, as the mean times the number of elements."""
    length = reader.lengths(node.inputs[0])[-1]
    if length is None:
        node.refuse("axes", "xpnn adds along axes of a known length")
    times = layers.Affine((), learned=False, dtype=reader.dtype(node.inputs[0]))
    times.buffers["scale"] = np.asarray(float(length))
    return Sequential(layers.GlobalAvgPool1D(), times), node.inputs[0]


def _flatten(reader: Reader, node: Node) -> tuple[Layer, str]:
    """A Flatten of a value whose lengths are unknown."""
    if (axis := node.options("axis").axis) != 1:
        node.refuse("axis", "xpnn's Flatten keeps the batch and nothing else", axis)
    return layers.Flatten(), node.inputs[0]


def _layout(reader: Reader, node: Node) -> tuple[Layer, str]:
    """The layers that split axes, reorder them and join them, as far as each is needed."""
    groups, sizes, free = (node.attributes[key] for key in ("groups", "sizes", "free"))
    node = replace(node, op=node.attributes["op"])
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


def _recurrent(reader: Reader, node: Node) -> tuple[Layer, str]:
    """The layer of one direction or of both, from the settings that ``recurrent_rules.py`` put into the attributes."""
    noted = node.attributes
    if "settings" not in noted:
        node.refuse("shape", "the lengths of its axes do not follow from the model's")
    node = replace(node, attributes=noted["own"])
    if node.attributes.get("direction") == "reverse":
        node.refuse("direction", "xpnn's layers read forwards or, joined or added, in both directions", "reverse")
    weights = reader.weight(node, 1, 3), reader.weight(node, 2, 3), reader.optional_weight(node, 3, 2)
    directions = make.recurrent(node, *weights, **noted["settings"])
    for name, how, index in zip(directions[0].state_names, noted["starts"], (4, 5), strict=False):
        if how == "learned":
            for layer, start in zip(directions, reader.weight(node, index, 3), strict=True):
                layer.params[f"{name}_0"] = start[0]
    if len(directions) == 1:
        return directions[0], node.inputs[0]
    return layers.Bidirectional(*directions, merge=noted["merge"]), node.inputs[0]


def _section(reader: Reader, node: Node) -> tuple[Layer, str]:
    o = node.attributes
    return layers.Slice(o["start"], o["stop"], o["axis"]), node.inputs[0]


def _refused(reader: Reader, node: Node) -> tuple[Layer, str]:
    raise node.attributes["error"]


def _instance_norm(reader: Reader, node: Node) -> tuple[Layer, str]:
    """A LayerNorm over each channel's positions, then a scale and offset for each channel."""
    gamma, beta = reader.weight(node, 1, 1), reader.weight(node, 2, 1)
    node.options("epsilon")
    norm = plain_norm(reader, node, 2)
    affine = layers.Affine((len(gamma), *[1] * len(norm.normalized_shape)), dtype=gamma.dtype.name)
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


def _scaled_tanh(reader: Reader, node: Node) -> tuple[Layer, str] | None:
    found = reader.behind(reader.sources(node)[0], "Tanh", "Mul")
    if not found or reader.path(found[1]) != reader.path(node):
        return None
    usual, inner = layers.ScaledTanh(), found[1]
    amplitude = reader.number(node, reader.operand(node), usual.amplitude)
    slope = reader.number(inner, reader.operand(inner), usual.slope)
    if amplitude is None or slope is None:
        return None
    return layers.ScaledTanh(amplitude, slope), reader.sources(inner)[0]


def _rbf(reader: Reader, node: Node) -> tuple[Layer, str]:
    found = reader.behind(node.inputs[0], "ReduceSum", "Mul", "Sub", "Layout")
    if not found or found[1].inputs[0] != found[1].inputs[1] or found[3].attributes["groups"][1]:
        node.refuse("operator", "xpnn has it only as the end of a squared distance")
    centers = reader.weight(found[2], reader.operand(found[2]), 2)
    return layers.RBF(to_numpy(centers), dtype=centers.dtype.name), found[3].inputs[0]


def _div(reader: Reader, node: Node) -> tuple[Layer, str]:
    return quotient(reader, node) or affine(reader, node)


def _mul(reader: Reader, node: Node) -> tuple[Layer, str]:
    return product(reader, node) or _scaled_tanh(reader, node) or affine(reader, node)


READERS: dict[str, LayerReader] = {
    **MODERN,
    "Add": add,
    "AveragePool": pool,
    "BatchNormalization": _batch_norm,
    "Conv": _conv,
    "ConvTranspose": transposed,
    "Div": _div,
    "Dropout": _dropout,
    "Flatten": _flatten,
    "GRU": _recurrent,
    "Gather": _gather,
    "Gemm": gemm,
    "GlobalAveragePool": _global_pool,
    "GlobalMaxPool": _global_pool,
    "InstanceNormalization": _instance_norm,
    "LSTM": _recurrent,
    "Layout": _layout,
    "LogSoftmax": _softmax,
    "MatMul": matmul,
    "MaxPool": pool,
    "Mul": _mul,
    "Neg": _rbf,
    "Pad": pad,
    "RNN": _recurrent,
    "ReduceSum": _sum,
    "Refused": _refused,
    "Resize": _upsample,
    "Section": _section,
    "Selu": selu,
    "Softmax": _softmax,
    "Sub": affine,
    "Upsample": _upsample,
    "ai.onnx.ml.Scaler": scaler,
}
"""For the last operator of a layer's nodes, the function that makes the layer and names the layer's input."""

INSIDE = {"Erf", "Greater"}
"""Operators that occur only before the last node of a layer's nodes."""
