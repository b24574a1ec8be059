"""ONNX operators on arrays: by the layers where there is one, else in a few lines."""

from collections.abc import Callable, Sequence
from math import prod
from typing import TypeAlias

from numpy.lib.array_utils import normalize_axis_index

from ...backend import Array, to_numpy, xp
from ...layers import Dropout, GlobalAvgPool1D, GlobalMaxPool1D, LogSoftmax, Softmax
from ...layers.modern.bidirectional import reversal
from . import layers as make
from .elementwise import ELEMENTWISE, apply, at_least_one
from .node import Node

Result: TypeAlias = Array | tuple[Array, ...]


def _numbers(value: Array) -> list[int]:
    """A shape or axes as integers on the host."""
    if value.ndim > 1:
        raise ValueError(f"expected a shape, lengths or axes in one row, got an array of shape {value.shape}")
    return [int(number) for number in to_numpy(value).reshape(-1)]


def _padded(x: Array, w: make.Window, border: float, beyond: float) -> Array:
    """Images or signals with the window's padding of one value, and of another value what completes the last window."""
    x = xp.pad(x, ((0, 0), (0, 0), *zip(w.before, w.after, strict=True)), constant_values=border)
    return xp.pad(x, ((0, 0), (0, 0), *((0, n) for n in w.beyond)), constant_values=beyond) if any(w.beyond) else x


def _conv(node: Node, x: Array, W: Array, b: Array | None = None) -> Array:
    layer, window = make.conv(node, W, b, x.shape[2:])
    return apply(layer, _padded(x, window, 0, 0))


def _conv_transpose(node: Node, x: Array, W: Array, b: Array | None = None) -> Array:
    return apply(make.conv_transpose(node, W, b), x)


def _upsample(node: Node, x: Array, *others: Array | None) -> Array:
    """With scales behind the region of interest, which counts for another mode only; sizes may stand behind them."""
    scales = others[: 2 if node.op == "Resize" and node.opset > 10 else 1][-1] if others else None
    return apply(make.upsample(node, None if scales is None else to_numpy(scales).tolist()), x)


def _max_pool(node: Node, x: Array) -> Array:
    layer, window = make.pool(node, x.shape[2:])
    if len(node.outputs) > 1:
        node.refuse("Indices", "xpnn's max-pooling does not tell where the maxima lie")
    images = x if x.dtype.kind == "f" else x.astype("float32")  # exact, since the operator allows 8 bits
    return apply(layer, _padded(images, window, -xp.inf, -xp.inf)).astype(x.dtype)


def _average_pool(node: Node, x: Array) -> Array:
    """The mean over the window, divided by the share of its elements that count."""
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


def _flatten(node: Node, x: Array) -> Array:
    axis = node.options("axis").axis
    axis = axis if axis == x.ndim else normalize_axis_index(axis, x.ndim)
    return x.reshape(prod(x.shape[:axis]), prod(x.shape[axis:]))


def _reshape(node: Node, x: Array, shape: Array) -> Array:
    o, sizes = node.options("allowzero"), _numbers(shape)
    if min(sizes, default=0) < -1:
        raise ValueError(f"expected sizes from -1, got {sizes}")
    return x.reshape([x.shape[i] if size == 0 and not o.allowzero else size for i, size in enumerate(sizes)])


def _transpose(node: Node, x: Array) -> Array:
    return x.transpose(node.options("perm").perm)


def _squeeze(node: Node, x: Array, axes: Array | None = None) -> Array:
    o = node.options("axes")
    wanted = o.axes if axes is None else _numbers(axes)
    return x.squeeze(tuple(wanted) if wanted else None)


def _unsqueeze(node: Node, x: Array, axes: Array | None = None) -> Array:
    o = node.options("axes")
    return xp.expand_dims(x, tuple(o.axes if axes is None else _numbers(axes)))


def _reduce(node: Node, x: Array, axes: Array | None = None) -> Array:
    o = node.options("axes", "keepdims", "noop_with_empty_axes")
    wanted = o.axes if axes is None else _numbers(axes)
    if not wanted and o.noop_with_empty_axes:
        return x
    reduced = x.mean if node.op == "ReduceMean" else x.sum
    return reduced(tuple(wanted) if wanted else None, dtype=x.dtype, keepdims=bool(o.keepdims))


def _concat(node: Node, *values: Array) -> Array:
    return xp.concatenate(values, axis=1 if (axis := node.options("axis").axis) is None else axis)


def _in_range(indices: Array, length: int) -> Array:
    """Indices from 0 on; ONNX allows -length to length - 1. A device would take any others without an error."""
    wrong = indices[(indices < -length) | (indices >= length)]
    if wrong.size:
        raise ValueError(f"expected each index from {-length} to {length - 1}, got {int(wrong[0])}")
    return xp.where(indices < 0, indices + length, indices)


def _gather(node: Node, data: Array, indices: Array) -> Array:
    """Rows of a matrix by Embedding; other axes by indexing."""
    axis = normalize_axis_index(node.options("axis").axis, data.ndim)
    indices = _in_range(indices, data.shape[axis])
    by_layer = data.ndim == 2 and axis == 0 and data.dtype.name in ("float32", "float64") and indices.ndim
    return apply(make.embedding(data), indices) if by_layer else xp.take(data, indices, axis=axis)


def _scatter_nd(node: Node, data: Array, indices: Array, updates: Array) -> Array:
    reduction = node.options("reduction").reduction
    if reduction not in (None, "none"):
        node.refuse("reduction", "xpnn writes each place once", reduction)
    out, depth = data.copy(), indices.shape[-1]
    if updates.shape != indices.shape[:-1] + data.shape[depth:]:
        raise ValueError(f"updates: expected shape {indices.shape[:-1] + data.shape[depth:]}, got {updates.shape}")
    out[tuple(_in_range(indices[..., i], data.shape[i]) for i in range(depth))] = updates
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
    """Each direction is a layer of its own; the reverse one reads the reversed sequence."""
    B, lengths, h, c, P = (*others, None, None, None, None, None)[:5]
    o = make.recurrent_options(node)
    if P is not None:
        node.refuse("P", "xpnn's LSTM has no peepholes")

    def swap(a: Array) -> Array:
        """Swap ONNX's order of axes and batch first, in either direction."""
        return a if o.layout else a.swapaxes(0, 1)

    recurrents = make.recurrent(node, W, R, B, return_sequences=True)
    x, steps = swap(x), None if lengths is None else _numbers(lengths)
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
    """Also the mean and 1 / sqrt(var + epsilon) of each normalisation."""
    o = node.options(*make.LAYER_NORM)
    axis = normalize_axis_index(o.axis, x.ndim)
    shape, axes = x.shape[axis:], tuple(range(axis, x.ndim))
    layer = make.layer_norm(node, xp.broadcast_to(gamma, shape), None if beta is None else xp.broadcast_to(beta, shape))
    y = apply(layer, x.reshape(prod(x.shape[:axis]), *shape)).reshape(x.shape)
    return y, x.mean(axes, keepdims=True), 1 / xp.sqrt(x.var(axes, keepdims=True) + o.epsilon)


OPERATORS: dict[str, Callable[..., Result]] = {
    **ELEMENTWISE,
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_normalization,
    "Concat": _concat,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Dropout": _dropout,
    "Flatten": _flatten,
    "GRU": _recurrent,
    "Gather": _gather,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_pool,
    "GlobalMaxPool": _global_pool,
    "LSTM": _recurrent,
    "LayerNormalization": _layer_normalization,
    "LogSoftmax": _softmax,
    "MatMul": _matmul,
    "MaxPool": _max_pool,
    "RNN": _recurrent,
    "ReduceMean": _reduce,
    "ReduceSum": _reduce,
    "Reshape": _reshape,
    "Resize": _upsample,
    "ScatterND": _scatter_nd,
    "Softmax": _softmax,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Upsample": _upsample,
}
"""For each operator, a function of the node and its input values (None if omitted) that returns its outputs."""

# fmt: off
ANY_DTYPE = {
    "Abs", "Add", "Clip", "Concat", "Div", "Flatten", "Gather", "Identity", "MatMul", "MaxPool", "Mul", "Neg",
    "ReduceSum", "Reshape", "ScatterND", "Squeeze", "Sub", "Transpose", "Unsqueeze",
}
# fmt: on
"""Operators that need no layer, and so compute in any dtype; MaxPool brings integers to its layer and back."""


def run(node: Node, inputs: Sequence[Array | None]) -> dict[str, Array]:
    """The outputs of one node by name.

    Raises:
        UnsupportedNodeError: the node needs something that xpnn does not have.
        ValueError: the operator does not fit its inputs.
    """
    dtype = None if node.op in ANY_DTYPE or inputs[0] is None else inputs[0].dtype.name
    if dtype not in (None, "float32", "float64"):
        node.refuse("input 0", "xpnn's layers compute in float32 or float64", dtype)
    with node.named():
        results = OPERATORS[node.op](node, *inputs)
    outputs = results if isinstance(results, tuple) else (results,)
    if len(node.outputs) > len(outputs):
        node.refuse("output", "xpnn gives fewer", list(node.outputs))
    return {key: value for key, value in zip(node.outputs, outputs, strict=False) if key}
