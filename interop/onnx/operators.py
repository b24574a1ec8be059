"""ONNX operators on arrays: run by a layer if there is one, else written in a few lines."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from numpy.lib.array_utils import normalize_axis_index

from ...backend import Array, to_numpy, xp
from ...layers import Dropout, GlobalAvgPool1D, GlobalMaxPool1D, LayerNorm, LogSoftmax, Softmax
from ...layers.modern.bidirectional import reversal
from . import layers as make
from .arrays import ARRAYS, Result, in_range, integers
from .conv_transpose import as_image, conv_transpose
from .elementwise import ELEMENTWISE, apply, at_least_one
from .ml import ML
from .node import Node
from .resize import resize


def _padded(x: Array, w: make.Window, border: float, beyond: float) -> Array:
    """Images or signals, padded by ``border``, and by ``beyond`` where ceil_mode completes the last window."""
    x = xp.pad(x, ((0, 0), (0, 0), *zip(w.before, w.after, strict=True)), constant_values=border)
    return xp.pad(x, ((0, 0), (0, 0), *((0, n) for n in w.beyond)), constant_values=beyond) if any(w.beyond) else x


def _conv(node: Node, x: Array, W: Array, b: Array | None = None) -> Array:
    layer, window = make.conv(node, W, b, x.shape[2:])
    return apply(layer, _padded(x, window, 0, 0))


def _conv_transpose(node: Node, x: Array, W: Array, b: Array | None = None) -> Array:
    if x.ndim == 3:
        return _conv_transpose(as_image(node), x[:, :, None], W[:, :, None], b)[:, :, 0]
    layer, sections = conv_transpose(node, W, b, x.shape[2:])
    return apply(layer, x)[:, :, *sections]


def _max_pool(node: Node, x: Array) -> Array:
    layer, window = make.pool(node, x.shape[2:])
    if len(node.outputs) > 1:
        node.refuse("Indices", "xpnn's max-pooling does not tell where the maxima lie")
    images = x if x.dtype.kind == "f" else x.astype("float32")  # exact, since the operator allows 8 bits
    return apply(layer, _padded(images, window, -xp.inf, -xp.inf)).astype(x.dtype)


def _average_pool(node: Node, x: Array) -> Array:
    """The mean over the window, divided by the fraction of its elements that count."""
    layer, window = make.pool(node, x.shape[2:])

    def mean(images: Array, border: int) -> Array:
        return apply(layer, _padded(images, window, border, 0))

    return mean(x, 0) / mean(xp.ones_like(x), node.attributes.get("count_include_pad", 0))


def _global_pool(node: Node, x: Array) -> Array:
    node.options()
    pool = GlobalAvgPool1D() if node.op == "GlobalAveragePool" else GlobalMaxPool1D()
    return apply(pool, x.reshape(*x.shape[:2], prod(x.shape[2:]))).reshape(*x.shape[:2], *[1] * (x.ndim - 2))


def _gemm(node: Node, A: Array, B: Array, C: Array | None = None) -> Array:
    y = apply(make.gemm(node, B), A.T if node.attributes.get("transA") else A)
    return y if C is None else y + node.attributes.get("beta", 1.0) * xp.broadcast_to(C, y.shape)


def _matmul(node: Node, A: Array, B: Array) -> Array:
    node.options()
    by_layer = B.ndim == 2 and A.ndim > 1 and A.dtype.name in ("float32", "float64")
    return apply(make.dense(B.T), A) if by_layer else A @ B


def _batch_normalization(node: Node, x: Array, *weights: Array) -> Array:
    images = x if x.ndim in (2, 3, 4) else x.reshape(*x.shape[:2], 1, prod(x.shape[2:]))
    return apply(make.batch_norm(node, images.ndim, weights), images).reshape(x.shape)


def _softmax(node: Node, x: Array) -> Array:
    """Softmax or its logarithm along one axis; before opset 13, along that axis and all later ones, flattened."""
    axis = normalize_axis_index(node.options("axis").axis, x.ndim)
    z = x.swapaxes(axis, -1) if node.opset >= 13 else x.reshape(prod(x.shape[:axis]), prod(x.shape[axis:]))
    y = apply(Softmax() if node.op == "Softmax" else LogSoftmax(), z)
    return y.swapaxes(axis, -1) if node.opset >= 13 else y.reshape(x.shape)


def _gather(node: Node, data: Array, indices: Array) -> Array:
    """Rows of a matrix by Embedding; other axes by indexing."""
    axis = normalize_axis_index(node.options("axis").axis, data.ndim)
    indices = in_range(indices, data.shape[axis])
    by_layer = data.ndim == 2 and axis == 0 and data.dtype.name in ("float32", "float64") and indices.ndim
    return apply(make.embedding(data), indices) if by_layer else xp.take(data, indices, axis=axis)


def _scatter_nd(node: Node, data: Array, indices: Array, updates: Array) -> Array:
    reduction = node.options("reduction").reduction
    if reduction not in (None, "none"):
        node.refuse("reduction", "xpnn writes each place once", reduction)
    out, depth = data.copy(), indices.shape[-1]
    if updates.shape != indices.shape[:-1] + data.shape[depth:]:
        raise ValueError(f"updates: expected shape {indices.shape[:-1] + data.shape[depth:]}, got {updates.shape}")
    out[tuple(in_range(indices[..., i], data.shape[i]) for i in range(depth))] = updates
    return out


def _dropout(node: Node, x: Array, ratio: Array | None = None, training: Array | None = None) -> Result:
    o = node.options("ratio", "seed", "is_test")
    p = 0.5 if o.ratio is None else o.ratio
    p = p if ratio is None else float(to_numpy(ratio))
    if (o.is_test == 0 or (training is not None and bool(to_numpy(training)))) and p:  # is_test: before opset 7
        node.refuse(
            "training_mode", "ONNX leaves the random numbers open (with a ratio above 0), and xpnn draws its own"
        )
    return apply(Dropout(p), x), xp.ones(x.shape, dtype=bool)


def _recurrent(node: Node, x: Array, W: Array, R: Array, *others: Array | None) -> tuple[Array, ...]:
    """Each direction is a separate layer; the reverse one reads the reversed sequence."""
    B, lengths, h, c, P = (*others, None, None, None, None, None)[:5]
    o = make.recurrent_options(node)
    if P is not None:
        node.refuse("P", "xpnn's LSTM has no peepholes")

    def swap(a: Array) -> Array:
        """Swap ONNX's order of axes and batch first, in either direction."""
        return a if o.layout else a.swapaxes(0, 1)

    recurrents = make.recurrent(node, W, R, B, return_sequences=True)
    x, steps = swap(x), None if lengths is None else integers(lengths)
    first = xp.zeros((len(x), *R.shape[::2]), dtype=x.dtype)  # (N, directions, H)
    states = [first if state is None else swap(state) for state in ((h, c) if node.op == "LSTM" else (h,))]
    for state in states:
        if state.shape != first.shape:
            raise ValueError(f"expected a state of {first.shape}, batch first, got {state.shape}")
    N, x, states = len(x), at_least_one(x), [at_least_one(state) for state in states]
    outputs, lasts = [], []
    for d, layer in enumerate(recurrents):
        turned = reversal(steps or None, x.shape[1]) if d or o.direction == "reverse" else lambda sequences: sequences
        y, last, _ = layer.forward_from(turned(x), tuple(state[:, d] for state in states), False, steps or None)
        outputs.append(turned(y)[:N])
        lasts.append([component[:N] for component in (last if isinstance(last, tuple) else (last,))])
    y = xp.stack(outputs, axis=2)  # (N, T, directions, H)
    y = y if o.layout else y.transpose(1, 2, 0, 3)
    return y, *(swap(xp.stack(components, axis=1)) for components in zip(*lasts, strict=True))


def _layer_normalization(node: Node, x: Array, gamma: Array, beta: Array | None = None) -> tuple[Array, ...]:
    """The output, and the mean and 1 / sqrt(var + epsilon) of each normalisation."""
    o = node.options(*make.LAYER_NORM)
    axis = normalize_axis_index(o.axis, x.ndim)
    shape, axes = x.shape[axis:], tuple(range(axis, x.ndim))
    layer = make.layer_norm(node, xp.broadcast_to(gamma, shape), None if beta is None else xp.broadcast_to(beta, shape))
    y = apply(layer, x.reshape(prod(x.shape[:axis]), *shape)).reshape(x.shape)
    return y, x.mean(axes, keepdims=True), 1 / xp.sqrt(x.var(axes, keepdims=True) + o.epsilon)


def _instance_normalization(node: Node, x: Array, gamma: Array, beta: Array) -> Array:
    """Normalise each channel of each sample: a LayerNorm over its positions, then a gamma and beta per channel."""
    return _in_groups(x, len(gamma), gamma, beta, node.options("epsilon").epsilon)


def _group_normalization(node: Node, x: Array, gamma: Array, beta: Array) -> Array:
    o = node.options("epsilon", "num_groups", "stash_type")
    each = x.shape[1] // o.num_groups if node.opset < 21 else 1  # before opset 21, there is one gamma per group
    return _in_groups(x, o.num_groups, gamma.repeat(each), beta.repeat(each), o.epsilon)


def _in_groups(x: Array, groups: int, gamma: Array, beta: Array, epsilon: float) -> Array:
    z = x.reshape(x.shape[0] * groups, prod(x.shape[1:]) // groups)
    layer = LayerNorm(z.shape[1], epsilon, affine=False, dtype=x.dtype.name)
    channels = (1, -1, *[1] * (x.ndim - 2))
    return apply(layer, z).reshape(x.shape) * gamma.reshape(channels) + beta.reshape(channels)


OPERATORS: dict[str, Callable[..., Result]] = {
    **ELEMENTWISE,
    **ARRAYS,
    **ML,
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_normalization,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Dropout": _dropout,
    "GRU": _recurrent,
    "Gather": _gather,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_pool,
    "GlobalMaxPool": _global_pool,
    "GroupNormalization": _group_normalization,
    "InstanceNormalization": _instance_normalization,
    "LSTM": _recurrent,
    "LayerNormalization": _layer_normalization,
    "LogSoftmax": _softmax,
    "MatMul": _matmul,
    "MaxPool": _max_pool,
    "RNN": _recurrent,
    "Resize": resize,
    "ScatterND": _scatter_nd,
    "Softmax": _softmax,
    "Upsample": resize,
}
"""For each operator, a function of the node and its input values (None if omitted) that returns its outputs."""

BY_LAYERS = make.ACTIVATION_LAYERS.keys() | {
    *("AveragePool", "BatchNormalization", "Conv", "ConvTranspose", "GRU", "Gemm", "GlobalAveragePool"),
    *("GlobalMaxPool", "GroupNormalization", "InstanceNormalization", "LSTM", "LayerNormalization", "LogSoftmax"),
    *("RNN", "Softmax", "Celu", "Mish", "Selu", "Dropout"),
}
"""Operators that need a layer, which computes in float32 or float64; float16 is computed in float32."""


def run(node: Node, inputs: Sequence[Array | None]) -> dict[str, Array]:
    """The outputs of one node by name.

    Raises:
        UnsupportedNodeError: the node needs something that xpnn does not have.
        ValueError: the operator does not fit its inputs.
    """
    half = False
    if node.op in BY_LAYERS and inputs[0] is not None:
        half = inputs[0].dtype.name == "float16"
        if not half and inputs[0].dtype.name not in ("float32", "float64"):
            node.refuse("input 0", "xpnn's layers compute in float32 or float64", inputs[0].dtype.name)
    with node.named():
        results = OPERATORS[node.op](node, *(_converted(x, "float16", "float32") if half else x for x in inputs))
    outputs = results if isinstance(results, tuple) else (results,)
    if len(node.outputs) > len(outputs):
        node.refuse("output", "xpnn gives fewer", list(node.outputs))
    found = zip(node.outputs, outputs, strict=False)
    return {key: _converted(value, "float32", "float16") if half else value for key, value in found if key}


def _converted(value: Any, old: str, new: str) -> Any:
    return value.astype(new) if value is not None and value.dtype == old else value
