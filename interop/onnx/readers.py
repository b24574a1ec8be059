"""From the ONNX nodes that make up a layer to the layer, starting at the last node."""

from math import prod
from typing import Any

from ... import layers
from ...backend import Array, to_numpy
from ...layers import Layer
from ...layers.pool import Pool
from . import layers as make
from . import recurrent_readers as cells
from .modern_readers import MODERN, product
from .node import Node, shortest
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
    """The bias of a Dense or Subsample2D layer."""
    make.check_elementwise(node)
    (value,) = reader.sources(node)
    if reader.behind(value, "Mul"):
        return _subsample(reader, node)
    matmul = reader.behind(value, "MatMul")
    if not matmul:
        node.refuse("operator", "xpnn has no layer that adds a constant alone")
    return _matmul(reader, matmul[0], reader.weight(node, reader.operand(node), 0, 1))


def _subsample(reader: Reader, add: Node) -> tuple[Layer, str]:
    (value,) = reader.sources(add)
    found = reader.behind(value, "Mul", "Mul", "AveragePool")
    if not found:
        reader.producers[value].refuse(
            "operator", "xpnn multiplies by a constant only before and after Tanh, and to subsample"
        )
    mul, mean, pool = found
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


def _flatten(reader: Reader, node: Node) -> tuple[Layer, str]:
    axis, rank = node.options("axis").axis, reader.ranks.get(node.inputs[0], 0)
    if axis not in (1, 1 - rank):
        node.refuse("axis", "xpnn's Flatten keeps the batch and nothing else", axis)
    if pool := reader.behind(node.inputs[0], "GlobalAveragePool|GlobalMaxPool"):
        pool[0].options()
        signals = layers.GlobalAvgPool1D, layers.GlobalMaxPool1D
        images = layers.GlobalAvgPool2D, layers.GlobalMaxPool2D
        kinds = signals if reader.ranks.get(pool[0].inputs[0]) == 3 else images
        return kinds[pool[0].op == "GlobalMaxPool"](), pool[0].inputs[0]
    return layers.Flatten(), node.inputs[0]


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


def _scaled_tanh(reader: Reader, node: Node) -> tuple[Layer, str]:
    usual = layers.ScaledTanh()
    found = reader.behind(reader.sources(node)[0], "Tanh", "Mul")
    amplitude = reader.number(node, reader.operand(node), usual.amplitude)
    slope = reader.number(found[1], reader.operand(found[1]), usual.slope) if found else None
    if amplitude is None or slope is None:
        node.refuse("operator", "xpnn multiplies by a constant only before and after Tanh, and to subsample")
    for each in (node, *found):
        make.check_elementwise(each)
    return layers.ScaledTanh(amplitude, slope), reader.sources(found[1])[0]


def _rbf(reader: Reader, node: Node) -> tuple[Layer, str]:
    found = reader.behind(node.inputs[0], "ReduceSum", "Mul", "Sub", "Unsqueeze")
    fits = found and found[1].inputs[0] == found[1].inputs[1]
    if not fits or (reader.axes(found[0]), reader.axes(found[3])) != ([2], [1]):
        node.refuse("operator", "xpnn has it only as the end of a squared distance")
    total, _, difference, rows = found
    for each in found[1:3]:
        make.check_elementwise(each)
    if total.attributes.get("keepdims", 1) or reader.ranks.get(rows.inputs[0]) != 2:
        total.refuse("keepdims", "xpnn's RBF gives (N, K) from (N, F)", total.attributes.get("keepdims", 1))
    centers = reader.weight(difference, reader.operand(difference), 2)
    return layers.RBF(to_numpy(centers), dtype=centers.dtype.name), rows.inputs[0]


def _mul(reader: Reader, node: Node) -> tuple[Layer, str]:
    return product(reader, node) or _scaled_tanh(reader, node)


READERS: dict[str, LayerReader] = {
    **MODERN,
    "Add": _add,
    "AveragePool": _pool,
    "BatchNormalization": _batch_norm,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Dropout": _dropout,
    "Flatten": _flatten,
    "GRU": cells.refuse_cell,
    "Gather": _gather,
    "Gemm": _gemm,
    "LSTM": cells.refuse_cell,
    "LogSoftmax": _softmax,
    "MatMul": _matmul,
    "MaxPool": _pool,
    "Mul": _mul,
    "Neg": _rbf,
    "RNN": cells.refuse_cell,
    "ReduceSum": cells.reduce_sum,
    "Reshape": cells.reshape,
    "Resize": _upsample,
    "Softmax": _softmax,
    "Squeeze": cells.last_state,
    "Transpose": cells.states,
    "Upsample": _upsample,
}
"""For the last operator of a layer's nodes, the function that makes the layer and names the value it reads."""

JOINED: dict[str, LayerFinder] = {"Mul": product}
"""The same for operators that also join values, where no layer may end."""
