"""From the ONNX nodes that make up a layer to the layer, starting at the last node."""

from collections.abc import Callable

import numpy as np

from ...backend import Array, asarray
from ...layers import (
    RBF,
    Dropout,
    Embedding,
    Flatten,
    GlobalAvgPool2D,
    Layer,
    MappedConv2D,
    ReLU,
    Residual,
    ScaledTanh,
    Sigmoid,
    Softmax,
    Subsample2D,
    Tanh,
)
from . import layers as make
from .node import Node, shortest
from .walk import LayerReader, Reader


def _axes(reader: Reader, node: Node) -> list[int] | None:
    """The axes of a Squeeze, Unsqueeze or ReduceSum: an input, or before opset 13 an attribute."""
    value = reader.constant(node, 1)
    return node.attributes.get("axes") if value is None else value.tolist()


def _even(node: Node, window: make.Window) -> None:
    if not window.even:
        node.refuse("pads", "xpnn's layers pad both sides alike", [*window.before, *window.after])


def _gemm(reader: Reader, node: Node) -> tuple[Layer, str]:
    if node.attributes.get("transA"):
        node.refuse("transA", "the batch comes first in xpnn", 1)
    layer = make.gemm(node, reader.weight(node, 1), reader.optional_weight(node, 2))
    if layer is None:
        node.refuse("C", "xpnn's bias is one vector")
    return layer, node.inputs[0]


def _matmul(reader: Reader, node: Node, b: Array | None = None) -> tuple[Layer, str]:
    W = reader.weight(node, 1)
    if W.ndim != 2:
        node.refuse("input 1", "xpnn's weights are one matrix", W.shape)
    return make.dense(W.T, b), node.inputs[0]


def _add(reader: Reader, node: Node) -> tuple[Layer, str]:
    """The bias of a Dense or Subsample2D layer, or the end of a residual block."""
    make.check_elementwise(node)
    values = reader.sources(node)
    if len(values) == 2:
        return _residual(reader, node)
    b = 1 - node.inputs.index(values[0])
    matmul, mul = reader.behind(values[0], "MatMul"), reader.behind(values[0], "Mul")
    if mul is not None:
        return _subsample(reader, mul, node, b)
    if matmul is None:
        node.refuse("operator", "xpnn has no layer that adds a constant alone")
    bias = reader.weight(node, b)
    if bias.shape != (bias.size,):
        node.refuse(f"input {b}", "xpnn's bias is one vector", bias.shape)
    return _matmul(reader, matmul, bias)


def _subsample(reader: Reader, mul: Node, add: Node, b: int) -> tuple[Layer, str]:
    mean = reader.behind(mul.inputs[0], "Mul")
    pool = mean and reader.behind(mean.inputs[0], "AveragePool")
    if mean is None or pool is None:
        mul.refuse("operator", "xpnn multiplies by a constant only before and after Tanh, and to subsample")
    for node in (mul, mean):
        make.check_elementwise(node)
    layer, _ = _pool(reader, pool)
    W, bias = reader.weight(mul, 1), reader.weight(add, b)
    if W.shape != (W.size, 1, 1) or bias.shape != W.shape:
        mul.refuse("input 1", "xpnn's subsampling has one coefficient and one bias a map", W.shape)
    area = reader.number(mean, 1, 0.0)
    if layer.stride != layer.size or layer.padding != (0, 0) or area != layer.size[0] * layer.size[1]:
        pool.refuse("strides", "xpnn's subsampling windows lie beside each other, and it takes their sum")
    subsample = Subsample2D(W.size, layer.size, rng=0, dtype=W.dtype.name)
    return make.with_params(subsample, W=W.reshape(-1), b=bias.reshape(-1)), pool.inputs[0]


def _residual(reader: Reader, node: Node) -> tuple[Layer, str]:
    start = reader.fork(*node.inputs)
    body, shortcut = (reader.chain(value, start) for value in node.inputs)
    if not body:
        body, shortcut = shortcut, body
    if not body:
        node.refuse("inputs", "xpnn has no layer that adds a value to itself")
    depth = len(reader.path(node)) + 1
    return Residual(reader.compose(body, depth), reader.compose(shortcut, depth) if shortcut else None), start


def _conv(reader: Reader, node: Node) -> tuple[Layer, str]:
    scatter = reader.behind(node.inputs[1], "ScatterND")
    W = None if scatter is None else reader.constant(scatter, 0)
    if scatter is None or W is None:
        conv, window = make.conv2d(node, reader.weight(node, 1), reader.optional_weight(node, 2))
        _even(node, window)
        return conv, node.inputs[0]
    table, kernels = reader.constant(scatter, 1), reader.weight(scatter, 2)
    conv, window = make.conv2d(node, asarray(W, W.dtype), None)
    _even(node, window)
    connections = [[int(c) for d, c in table if d == map_] for map_ in range(len(W))] if table is not None else []
    pairs = [[d, c] for d, maps in enumerate(connections) for c in maps]
    if W.any() or pairs != np.asarray(table).tolist() or conv.groups != 1 or conv.dilation != (1, 1):
        scatter.refuse("indices", "xpnn's connection table goes by output map, one kernel a pair, zeros elsewhere")
    mapped = MappedConv2D(
        W.shape[1], connections, conv.kernel_size, conv.stride, conv.padding, rng=0, dtype=kernels.dtype.name
    )
    return make.with_params(mapped, W=kernels, b=reader.weight(node, 2)), node.inputs[0]


def _pool(reader: Reader, node: Node) -> tuple[make.Pool2D, str]:
    own = {"storage_order": 0} if node.op == "MaxPool" else {"count_include_pad": 0}
    o = node.options(**make.POOL, **own)
    layer, window = make.pool2d(node, o)
    _even(node, window)
    if layer.padding != window.before:
        node.refuse("pads", "xpnn's pooling pads by less than the window", o.pads)
    if node.op == "AveragePool" and not o.count_include_pad and layer.padding != (0, 0):
        node.refuse("count_include_pad", "xpnn's AvgPool2D counts the padding", 0)
    return layer, node.inputs[0]


def _batch_norm(reader: Reader, node: Node) -> tuple[Layer, str]:
    rank = reader.ranks.get(node.inputs[0])
    if rank not in (2, 3, 4):
        node.refuse("input 0", "xpnn normalises values of two to four axes", rank)
    return make.batch_norm(node, rank, [reader.weight(node, i) for i in range(1, 5)]), node.inputs[0]


def _flatten(reader: Reader, node: Node) -> tuple[Layer, str]:
    axis = node.options(axis=1).axis
    if axis != 1:
        node.refuse("axis", "xpnn's Flatten keeps the batch and nothing else", axis)
    pool = reader.behind(node.inputs[0], "GlobalAveragePool")
    return (Flatten(), node.inputs[0]) if pool is None else (GlobalAvgPool2D(), pool.inputs[0])


def _reshape(reader: Reader, node: Node) -> tuple[Layer, str]:
    shape = reader.constant(node, 1)
    if shape is None or shape.tolist() != [0, -1] or node.options(allowzero=0).allowzero:
        node.refuse("shape", "xpnn's only change of shape is (N, ...) to (N, features), [0, -1]")
    return Flatten(), node.inputs[0]


def _softmax(reader: Reader, node: Node) -> tuple[Layer, str]:
    rank = reader.ranks.get(node.inputs[0], 0)
    axis = node.options(axis=1 if node.opset < 13 else -1).axis
    if axis not in (-1, rank - 1):
        node.refuse("axis", "xpnn's Softmax works along the last axis", axis)
    return Softmax(), node.inputs[0]


def _dropout(reader: Reader, node: Node) -> tuple[Layer, str]:
    o = node.options(ratio=0.5, seed=0)
    training = reader.constant(node, 2)
    if len(node.inputs) > 2 and node.inputs[2] and (training is None or training):
        node.refuse("training_mode", "xpnn drops in training only")
    ratio = reader.number(node, 1, shortest(o.ratio))
    if ratio is None:
        if len(node.inputs) > 1 and node.inputs[1]:
            node.refuse("ratio", "xpnn's hyperparameters are constants of the model")
        ratio = shortest(o.ratio)
    return Dropout(ratio), node.inputs[0]


def _gather(reader: Reader, node: Node) -> tuple[Layer, str]:
    axis = node.options(axis=0).axis
    W = reader.weight(node, 0)
    if axis not in (0, -2) or W.ndim != 2:
        node.refuse("axis", "xpnn's Embedding takes rows of a matrix", axis)
    return make.with_params(Embedding(*W.shape, rng=0, dtype=W.dtype.name), W=W), node.inputs[1]


def _scaled_tanh(reader: Reader, node: Node) -> tuple[Layer, str]:
    usual = ScaledTanh()
    tanh = reader.behind(node.inputs[0], "Tanh")
    inner = tanh and reader.behind(tanh.inputs[0], "Mul")
    amplitude = reader.number(node, 1, usual.amplitude)
    slope = None if inner is None else reader.number(inner, 1, usual.slope)
    if inner is None or amplitude is None or slope is None:
        node.refuse("operator", "xpnn multiplies by a constant only before and after Tanh, and to subsample")
    for multiplication in (node, inner):
        make.check_elementwise(multiplication)
    return ScaledTanh(amplitude, slope), inner.inputs[0]


def _rbf(reader: Reader, node: Node) -> tuple[Layer, str]:
    total = reader.behind(node.inputs[0], "ReduceSum")
    square = total and reader.behind(total.inputs[0], "Mul")
    difference = square and square.inputs[0] == square.inputs[1] and reader.behind(square.inputs[0], "Sub")
    rows = difference and reader.behind(difference.inputs[0], "Unsqueeze")
    if not total or not difference or not rows or (_axes(reader, total), _axes(reader, rows)) != ([2], [1]):
        node.refuse("operator", "xpnn has it only as the end of a squared distance")
    make.check_elementwise(difference)
    if total.attributes.get("keepdims", 1) or reader.ranks.get(rows.inputs[0]) != 2:
        total.refuse("keepdims", "xpnn's RBF gives (N, K) from (N, F)", total.attributes.get("keepdims", 1))
    centers = reader.weight(difference, 1)
    return RBF(reader.graph.constants[difference.inputs[1]], dtype=centers.dtype.name), rows.inputs[0]


def _last_state(reader: Reader, node: Node) -> tuple[Layer, str]:
    cell = reader.behind(node.inputs[0], "RNN", "LSTM", "GRU")
    if cell is None or cell.outputs[1:2] != node.inputs[:1] or _axes(reader, node) != [0]:
        node.refuse("operator", "xpnn has it only after a recurrent layer")
    return _recurrent(reader, cell, return_sequences=False)


def _states(reader: Reader, node: Node) -> tuple[Layer, str]:
    squeeze = reader.behind(node.inputs[0], "Squeeze")
    cell = squeeze and reader.behind(squeeze.inputs[0], "RNN", "LSTM", "GRU")
    fits = cell and squeeze and cell.outputs[:1] == squeeze.inputs[:1] and _axes(reader, squeeze) == [1]
    if cell is None or not fits or node.options(perm=None).perm != [1, 0, 2]:
        node.refuse("operator", "xpnn has it only around a recurrent layer")
    return _recurrent(reader, cell, return_sequences=True)


def _recurrent(reader: Reader, node: Node, return_sequences: bool) -> tuple[Layer, str]:
    o = make.recurrent_options(node)
    if o.direction != "forward":
        node.refuse("direction", "xpnn's layers read forwards", o.direction)
    if o.layout:
        node.refuse("layout", "xpnn reads layout 0, the one that onnxruntime runs", o.layout)
    names = ("sequence_lens", "initial_h", "initial_c", "P")
    for name, value in zip(names, node.inputs[4:], strict=False):
        if value:
            node.refuse(name, "a layer has one input")
    turned = reader.behind(node.inputs[0], "Transpose")
    if turned is None or turned.options(perm=None).perm != [1, 0, 2]:
        node.refuse("input 0", "the batch comes first in xpnn, so a Transpose must stand before")
    W, R, B = reader.weight(node, 1), reader.weight(node, 2), reader.optional_weight(node, 3)
    return make.recurrent(node, W[0], R[0], None if B is None else B[0], return_sequences), turned.inputs[0]


def _refuse_cell(reader: Reader, node: Node) -> tuple[Layer, str]:
    node.refuse("output", "the batch comes first in xpnn, so a Squeeze and, for all states, a Transpose must follow")


def _without_options(layer: Callable[[], Layer]) -> LayerReader:
    def read(reader: Reader, node: Node) -> tuple[Layer, str]:
        node.options()
        return layer(), node.inputs[0]

    return read


READERS: dict[str, LayerReader] = {
    "Add": _add,
    "AveragePool": _pool,
    "BatchNormalization": _batch_norm,
    "Conv": _conv,
    "Dropout": _dropout,
    "Flatten": _flatten,
    "GRU": _refuse_cell,
    "Gather": _gather,
    "Gemm": _gemm,
    "LSTM": _refuse_cell,
    "LeakyRelu": lambda reader, node: (make.leaky_relu(node), node.inputs[0]),
    "MatMul": _matmul,
    "MaxPool": _pool,
    "Mul": _scaled_tanh,
    "Neg": _rbf,
    "RNN": _refuse_cell,
    "Relu": _without_options(ReLU),
    "Reshape": _reshape,
    "Sigmoid": _without_options(Sigmoid),
    "Softmax": _softmax,
    "Squeeze": _last_state,
    "Tanh": _without_options(Tanh),
    "Transpose": _states,
}
"""For the last operator of a layer's nodes, the function that makes the layer and names the value it reads."""
