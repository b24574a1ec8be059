"""For each layer, the ONNX nodes that it becomes, and the shape of its input."""

from collections import Counter
from collections.abc import Callable
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
import onnx
from onnx import helper

from ... import layers
from ...backend import to_numpy
from ...layers import Layer
from ...layers.base import several
from ...layers.recurrent import Recurrent
from ...models import Graph, Sequential
from .layers import CELLS

Shape: TypeAlias = tuple[int | None, ...]
"""The shape of one sample, with None for an axis of any length."""


class Writer:
    """Builds a graph's nodes and constants layer by layer.

    A node's name consists of its layer's dotted path, its operator and a count: ``"0.2/Conv_1"``. Initialisers have the
    parameters' own names, so a layer that occurs twice has its parameters in the file once.

    Attributes:
        dtype: of all values but the indices of an Embedding.
        rank: the number of axes of what the current layer reads; a layer that changes it sets that of its output.
    """

    def __init__(self, model: Layer, dtype: np.dtype, ranks: dict[str, int]) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self.dtype, self.rank, self._ranks = dtype, 0, dict(ranks)
        self._owners = {id(leaf): path for path, leaf in model.leaves()}
        self._path = ""
        self._count: Counter[str] = Counter()

    def layer(self, layer: Layer, path: str, x: Any) -> Any:
        """Write the layer at this path, which reads x; returns the name of its output, or the tuple of several."""
        write, _ = WRITERS.get(_kind(layer), (None, None))
        if write is None:
            raise TypeError(f"export: {type(layer).__name__} is none of xpnn's layers, so it has no operator in ONNX")
        self._path, self.rank = path, self._ranks[several(x)[0]]
        y = write(self, layer, x)
        self._ranks |= dict.fromkeys(several(y), self.rank)
        return y

    def child(self, layer: Layer, name: str, x: Any) -> Any:
        """Write a child of the layer that is being written."""
        path = self._path
        y = self.layer(layer, f"{path}.{name}" if path else name, x)
        self._path = path
        return y

    def node(self, op: str, *inputs: str, output: int = 0, **attributes: Any) -> str:
        """Add a node; returns the name of its output with this index."""
        name = f"{self._path}/{op}"
        self._count[name] += 1
        name += f"_{self._count[name]}"
        value = f"{name}.out"
        self.nodes.append(helper.make_node(op, inputs, [""] * output + [value], name, **attributes))
        return value

    def rename(self, names: dict[str, str]) -> None:
        """Give values other names, wherever they are written or read."""
        for node in self.nodes:
            for values in (node.input, node.output):
                values[:] = [names.get(value, value) for value in values]

    def constant(self, name: str, value: Any, dtype: Any = None) -> str:
        """Add an initialiser from host data; returns its name."""
        self.constants[name] = np.array(value, dtype or self.dtype, order="C")
        return name

    def weight(self, layer: Layer, key: str, value: Any = None) -> str:
        """Add an initialiser named after the layer's parameter or buffer ``key``, by default with its value."""
        owner = self._owners[id(layer)]
        if value is None:
            value = to_numpy(layer.params[key] if key in layer.params else layer.buffers[key])
        return self.constant(f"{owner}.{key}" if owner else key, value)

    def bias(self, layer: Layer) -> list[str]:
        """The initialiser of the layer's bias, if it has one."""
        return [self.weight(layer, "b")] if "b" in layer.params else []

    def axis(self, axis: int) -> str:
        return self.constant(f"/axes_{axis}", [axis], "int64")


def _kind(layer: Layer) -> type[Layer]:
    """Its class; of a model that adds nothing to a Sequential's or a Graph's layers, that one."""
    kinds = (kind for kind in (Sequential, Graph) if isinstance(layer, kind) and type(layer).forward is kind.forward)
    return next(kinds, type(layer))


def _sequential(w: Writer, layer: Sequential, x: Any) -> Any:
    for index, child in enumerate(layer.layers):
        x = w.child(child, str(index), x)
    return x


def _graph(w: Writer, layer: Graph, x: Any) -> Any:
    values = dict(zip(layer.inputs, several(x), strict=True))
    for name, (child, *reads) in layer.nodes.items():
        arrays = tuple(values[read] for read in reads)
        values[name] = w.child(child, name, arrays if child.joins else arrays[0])
    outputs = tuple(values[name] for name in layer.outputs)
    return outputs if len(outputs) > 1 else outputs[0]


def _join(op: str) -> "LayerWriter":
    """By nodes of an operator of two inputs, from left to right, as the layer does."""
    return lambda w, layer, x: reduce(lambda a, b: w.node(op, a, b), x)


def _residual(w: Writer, layer: layers.Residual, x: str) -> str:
    body = w.child(layer.body, "body", x)
    return w.node("Add", body, x if layer.shortcut is None else w.child(layer.shortcut, "shortcut", x))


def _dense(w: Writer, layer: layers.Dense, x: str) -> str:
    W, b = w.weight(layer, "W"), w.bias(layer)
    if w.rank == 2:
        return w.node("Gemm", x, W, *b, transB=1)
    z = w.node("MatMul", x, w.node("Transpose", W, perm=[1, 0]))
    return w.node("Add", z, *b) if b else z


def _window(size: tuple[int, int], layer: Any) -> dict[str, Any]:
    return {"kernel_shape": size, "strides": layer.stride, "pads": layer.padding * 2}


def _conv(w: Writer, layer: layers.Conv2D, x: str) -> str:
    options = {**_window(layer.kernel_size, layer), "dilations": layer.dilation, "group": layer.groups}
    return w.node("Conv", x, w.weight(layer, "W"), *w.bias(layer), **options)


def _mapped_conv(w: Writer, layer: layers.MappedConv2D, x: str) -> str:
    places = [(d, c) for d, maps in enumerate(layer.connections) for c in maps]
    zeros = w.weight(layer, "zeros", np.zeros(layer.kernels.shape))
    table = w.constant(zeros.removesuffix("zeros") + "connections", places, "int64")
    K = w.node("ScatterND", zeros, table, w.weight(layer, "W"))
    return w.node("Conv", x, K, w.weight(layer, "b"), **_window(layer.kernel_size, layer))


def _pool(w: Writer, layer: layers.MaxPool2D | layers.AvgPool2D, x: str) -> str:
    options = _window(layer.size, layer)
    if isinstance(layer, layers.MaxPool2D):
        return w.node("MaxPool", x, **options)
    return w.node("AveragePool", x, **options, count_include_pad=1)


def _subsample(w: Writer, layer: layers.Subsample2D, x: str) -> str:
    mean = w.node("AveragePool", x, kernel_shape=layer.size, strides=layer.size)
    total = w.node("Mul", mean, w.constant(f"{w._path}/area", layer.size[0] * layer.size[1]))
    W, b = (w.weight(layer, key, to_numpy(layer.params[key])[:, None, None]) for key in ("W", "b"))
    return w.node("Add", w.node("Mul", total, W), b)


def _batch_norm(w: Writer, layer: layers.BatchNorm1D | layers.BatchNorm2D, x: str) -> str:
    weights = [w.weight(layer, key) for key in ("gamma", "beta", "running_mean", "running_var")]
    return w.node("BatchNormalization", x, *weights, epsilon=layer.eps, momentum=1 - layer.momentum)


def _flatten(w: Writer, layer: layers.Flatten | layers.GlobalAvgPool2D, x: str) -> str:
    w.rank = 2
    return w.node("Flatten", x if isinstance(layer, layers.Flatten) else w.node("GlobalAveragePool", x))


def _dropout(w: Writer, layer: layers.Dropout, x: str) -> str:
    return w.node("Dropout", x, w.constant(f"{w._path}/ratio", layer.p, "float64"))


def _embedding(w: Writer, layer: layers.Embedding, x: str) -> str:
    w.rank += 1
    return w.node("Gather", w.weight(layer, "W"), x)


def _scaled_tanh(w: Writer, layer: layers.ScaledTanh, x: str) -> str:
    slope, amplitude = (w.constant(f"{w._path}/{key}", getattr(layer, key)) for key in ("slope", "amplitude"))
    return w.node("Mul", w.node("Tanh", w.node("Mul", x, slope)), amplitude)


def _rbf(w: Writer, layer: layers.RBF, x: str) -> str:
    difference = w.node("Sub", w.node("Unsqueeze", x, w.axis(1)), w.weight(layer, "centers"))
    return w.node("Neg", w.node("ReduceSum", w.node("Mul", difference, difference), w.axis(2), keepdims=0))


def _recurrent(w: Writer, layer: Recurrent, x: str) -> str:
    """ONNX's RNN, LSTM and GRU read (T, N, I) and return (T, 1, N, H), and (1, N, H) for the last state."""
    op = type(layer).__name__
    order = np.argsort(CELLS[op][1])  # back from xpnn's order to ONNX's
    options = {"linear_before_reset": 1} if op == "GRU" else {}
    H = layer.hidden_size
    p = {key: to_numpy(value).reshape(len(value) // H, H, -1) for key, value in layer.params.items()}
    W, R, *b = (p[key][order].reshape(1, len(order) * H, -1) for key in ("W_x", "W_h", "b") if key in p)
    weights = [w.weight(layer, "W_x", W), w.weight(layer, "W_h", R)]
    if b:
        # x + -0.0 is x for every x, so ONNX's sum of two biases is xpnn's one bias, bit for bit
        b_h = np.full(b[0].shape, -0.0, W.dtype)
        if "b_h" in p:
            b_h[0, 2 * H :] = p["b_h"][0]
        weights.append(w.weight(layer, "b", np.concatenate([*b, b_h], axis=1)[..., 0]))
    x = w.node("Transpose", x, perm=[1, 0, 2])
    if not layer.return_sequences:
        w.rank = 2
        return w.node("Squeeze", w.node(op, x, *weights, output=1, hidden_size=H, **options), w.axis(0))
    y = w.node("Squeeze", w.node(op, x, *weights, hidden_size=H, **options), w.axis(1))
    return w.node("Transpose", y, perm=[1, 0, 2])


def _plain(op: str) -> "LayerWriter":
    return lambda w, layer, x: w.node(op, x)


LayerWriter = Callable[[Writer, Any, Any], Any]

_image = (None, None)
WRITERS: dict[type[Layer], tuple[LayerWriter, Callable[[Any], Shape] | None]] = {
    layers.Add: (_join("Add"), None),
    layers.AvgPool2D: (_pool, lambda layer: (None, *_image)),
    layers.BatchNorm1D: (_batch_norm, lambda layer: (layer.num_features,)),
    layers.BatchNorm2D: (_batch_norm, lambda layer: (layer.num_features, *_image)),
    layers.Concat: (lambda w, layer, x: w.node("Concat", *x, axis=layer.axis), None),
    layers.Conv2D: (_conv, lambda layer: (layer.in_channels, *_image)),
    layers.Dense: (_dense, lambda layer: (layer.in_features,)),
    layers.Dropout: (_dropout, None),
    layers.Embedding: (_embedding, lambda layer: (None,)),
    layers.Flatten: (_flatten, lambda layer: ()),
    Graph: (_graph, None),
    layers.GRU: (_recurrent, lambda layer: (None, layer.input_size)),
    layers.GlobalAvgPool2D: (_flatten, lambda layer: (None, *_image)),
    layers.LSTM: (_recurrent, lambda layer: (None, layer.input_size)),
    layers.LeakyReLU: (lambda w, layer, x: w.node("LeakyRelu", x, alpha=layer.slope), None),
    layers.MappedConv2D: (_mapped_conv, lambda layer: (layer.kernels.shape[1], *_image)),
    layers.MaxPool2D: (_pool, lambda layer: (None, *_image)),
    layers.Multiply: (_join("Mul"), None),
    layers.RBF: (_rbf, lambda layer: (layer.centers.shape[1],)),
    layers.RNN: (_recurrent, lambda layer: (None, layer.input_size)),
    layers.ReLU: (_plain("Relu"), None),
    layers.Residual: (_residual, None),
    layers.ScaledTanh: (_scaled_tanh, None),
    Sequential: (_sequential, None),
    layers.Sigmoid: (_plain("Sigmoid"), None),
    layers.Softmax: (lambda w, layer, x: w.node("Softmax", x, axis=-1), None),
    layers.Subsample2D: (_subsample, lambda layer: (layer.channels, *_image)),
    layers.Tanh: (_plain("Tanh"), None),
}
"""For each layer, two functions: the first appends its nodes, reading x, and returns the name of the output; the second
gives the shape of one sample, () if that may have any rank. None: the input's shape is the output's, or the children's.
"""
