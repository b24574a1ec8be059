"""For each layer, its ONNX nodes and the shape of its input."""

from functools import reduce
from typing import Any

import numpy as np

from ... import layers
from ...backend import to_numpy
from ...layers.base import of_several, several
from ...layers.conv import Convolution
from ...layers.pool import Pool
from ...models import Graph, Sequential
from ...models.graph import values_of
from .modern_writers import MODERN
from .recurrent_writers import bidirectional, recurrent
from .writer import NEAREST, LayerWriter, Writer, Writers


def _sequential(w: Writer, layer: Sequential, x: Any) -> Any:
    for index, child in enumerate(layer.layers):
        x = w.child(child, str(index), x)
    return x


def _graph(w: Writer, layer: Graph, x: Any) -> Any:
    values = dict(zip(layer.inputs, several(x), strict=True))
    for name, (child, *reads) in layer.nodes.items():
        arrays = tuple(values[read] for read in reads)
        values |= values_of(name, child, w.child(child, name, arrays if child.joins else arrays[0]))
    return of_several([values[name] for name in layer.outputs])


def _join(op: str) -> LayerWriter:
    """A join by nodes of a binary operator, from left to right, as the layer computes it."""
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


def _window(size: tuple[int, ...], layer: Any) -> dict[str, Any]:
    return {"kernel_shape": size, "strides": layer.stride, "pads": layer.padding * 2}


def _conv(w: Writer, layer: Convolution, x: str) -> str:
    options: dict[str, Any] = {"kernel_shape": layer.kernel_size, "strides": layer.stride, "dilations": layer.dilation}
    dilated = max(layer.dilation) > 1  # onnxruntime does not support auto_pad with dilation
    options |= {"auto_pad": "SAME_UPPER"} if layer.padding == "same" and not dilated else {"pads": sum(layer.pads, ())}
    op = "Conv"
    if isinstance(layer, layers.ConvTranspose2D):
        op, options["output_padding"] = "ConvTranspose", layer.output_padding
    return w.node(op, x, w.weight(layer, "W"), *w.bias(layer), group=layer.groups, **options)


def _mapped_conv(w: Writer, layer: layers.MappedConv2D, x: str) -> str:
    zeros = w.weight(layer, "zeros", np.zeros(layer.kernels.shape))
    table = w.constant(zeros.removesuffix("zeros") + "connections", layer.pairs, "int64")
    K = w.node("ScatterND", zeros, table, w.weight(layer, "W"))
    return w.node("Conv", x, K, w.weight(layer, "b"), **_window(layer.kernel_size, layer))


def _pool(w: Writer, layer: Pool, x: str) -> str:
    options = _window(layer.size, layer)
    if isinstance(layer, layers.MaxPool1D | layers.MaxPool2D):
        return w.node("MaxPool", x, **options)
    return w.node("AveragePool", x, **options, count_include_pad=1)


def _subsample(w: Writer, layer: layers.Subsample2D, x: str) -> str:
    mean = w.node("AveragePool", x, kernel_shape=layer.size, strides=layer.size)
    total = w.node("Mul", mean, w.own("area", layer.size[0] * layer.size[1]))
    W, b = (w.weight(layer, key, to_numpy(layer.params[key])[:, None, None]) for key in ("W", "b"))
    return w.node("Add", w.node("Mul", total, W), b)


def _batch_norm(w: Writer, layer: layers.BatchNorm1D | layers.BatchNorm2D, x: str) -> str:
    weights = [w.weight(layer, key) for key in ("gamma", "beta", "running_mean", "running_var")]
    return w.node("BatchNormalization", x, *weights, epsilon=layer.eps, momentum=1 - layer.momentum)


def _flatten(w: Writer, layer: layers.Flatten, x: str) -> str:
    w.rank = 2
    return w.node("Flatten", x)


def _global_pool(op: str) -> LayerWriter:
    return lambda w, layer, x: _flatten(w, layer, w.node(op, x))


def _upsample(w: Writer, layer: layers.Upsample2D, x: str) -> str:
    scales = w.own("scales", [1, 1, *layer.scale], "float32")
    return w.node("Resize", x, "", scales, **NEAREST)


def _dropout(w: Writer, layer: layers.Dropout, x: str) -> str:
    return w.node("Dropout", x, w.own("ratio", layer.p, "float64"))


def _embedding(w: Writer, layer: layers.Embedding, x: str) -> str:
    w.rank += 1
    return w.node("Gather", w.weight(layer, "W"), x)


def _scaled_tanh(w: Writer, layer: layers.ScaledTanh, x: str) -> str:
    slope, amplitude = (w.own(key, getattr(layer, key)) for key in ("slope", "amplitude"))
    return w.node("Mul", w.node("Tanh", w.node("Mul", x, slope)), amplitude)


def _rbf(w: Writer, layer: layers.RBF, x: str) -> str:
    difference = w.node("Sub", w.node("Unsqueeze", x, w.axis(1)), w.weight(layer, "centers"))
    return w.node("Neg", w.node("ReduceSum", w.node("Mul", difference, difference), w.axis(2), keepdims=0))


def _plain(op: str) -> LayerWriter:
    return lambda w, layer, x: w.node(op, x)


_image, _signal = (None, None), (None,)
WRITERS: Writers = {
    **MODERN,
    layers.Add: (_join("Add"), None),
    layers.AvgPool1D: (_pool, lambda layer: (None, *_signal)),
    layers.AvgPool2D: (_pool, lambda layer: (None, *_image)),
    layers.BatchNorm1D: (_batch_norm, lambda layer: (layer.num_features,)),
    layers.BatchNorm2D: (_batch_norm, lambda layer: (layer.num_features, *_image)),
    layers.Bidirectional: (bidirectional, lambda layer: (None, layer.layer.input_size)),
    layers.Concat: (lambda w, layer, x: w.node("Concat", *x, axis=layer.axis), None),
    layers.Conv1D: (_conv, lambda layer: (layer.in_channels, *_signal)),
    layers.Conv2D: (_conv, lambda layer: (layer.in_channels, *_image)),
    layers.ConvTranspose2D: (_conv, lambda layer: (layer.in_channels, *_image)),
    layers.Dense: (_dense, lambda layer: (layer.in_features,)),
    layers.Dropout: (_dropout, None),
    layers.Embedding: (_embedding, lambda layer: (None,)),
    layers.Flatten: (_flatten, lambda layer: ()),
    Graph: (_graph, None),
    layers.GRU: (recurrent, lambda layer: (None, layer.input_size)),
    layers.GlobalAvgPool1D: (_global_pool("GlobalAveragePool"), lambda layer: (None, *_signal)),
    layers.GlobalAvgPool2D: (_global_pool("GlobalAveragePool"), lambda layer: (None, *_image)),
    layers.GlobalMaxPool1D: (_global_pool("GlobalMaxPool"), lambda layer: (None, *_signal)),
    layers.GlobalMaxPool2D: (_global_pool("GlobalMaxPool"), lambda layer: (None, *_image)),
    layers.LSTM: (recurrent, lambda layer: (None, layer.input_size)),
    layers.LeakyReLU: (lambda w, layer, x: w.node("LeakyRelu", x, alpha=layer.slope), None),
    layers.MappedConv2D: (_mapped_conv, lambda layer: (layer.kernels.shape[1], *_image)),
    layers.MaxPool1D: (_pool, lambda layer: (None, *_signal)),
    layers.MaxPool2D: (_pool, lambda layer: (None, *_image)),
    layers.Multiply: (_join("Mul"), None),
    layers.RBF: (_rbf, lambda layer: (layer.centers.shape[1],)),
    layers.RNN: (recurrent, lambda layer: (None, layer.input_size)),
    layers.ReLU: (_plain("Relu"), None),
    layers.Residual: (_residual, None),
    layers.ScaledTanh: (_scaled_tanh, None),
    Sequential: (_sequential, None),
    layers.Sigmoid: (_plain("Sigmoid"), None),
    layers.Softmax: (lambda w, layer, x: w.node("Softmax", x, axis=-1), None),
    layers.Subsample2D: (_subsample, lambda layer: (layer.channels, *_image)),
    layers.Tanh: (_plain("Tanh"), None),
    layers.Upsample2D: (_upsample, lambda layer: (None, *_image)),
}
