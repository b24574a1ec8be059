"""ONNX operators on arrays: by the layers where there is one, else in a few lines."""

from collections.abc import Callable
from math import prod
from typing import Any, TypeAlias

from ...backend import Array, to_numpy, xp
from ...layers import Dropout, Embedding, GlobalAvgPool2D, Layer, MaxPool2D, ReLU, Sigmoid, Softmax, Tanh
from . import layers as make
from .node import Node

Result: TypeAlias = Array | tuple[Array, ...]


def _numbers(value: Array) -> list[int]:
    """A shape or axes as integers on the host."""
    return [int(number) for number in to_numpy(value).reshape(-1)]


def _pad(x: Array, window: make.Window, value: float) -> Array:
    """x (N, C, H, W) with the window's padding, including that of ``ceil_mode``."""
    (top, left), (bottom, right), (down, beyond) = window.before, window.after, window.beyond
    N, C, H, W = x.shape
    out = xp.full((N, C, top + H + bottom + down, left + W + right + beyond), value, dtype=x.dtype)
    out[:, :, top : top + H, left : left + W] = x
    return out


def _as_images(function: Callable[..., Array]) -> Callable[..., Array]:
    """Apply a function of images (N, C, H, W) also to signals (N, C, L), as images of one row."""

    def on_either(node: Node, x: Array, *weights: Array | None) -> Array:
        if x.ndim != 3:
            return function(node, x, *weights)
        return function(node, x[:, :, None], *weights).squeeze(2)

    return on_either


def _conv(node: Node, x: Array, W: Array, b: Array | None = None) -> Array:
    layer, window = make.conv2d(node, W, b, x.shape[4 - (W.ndim - 2) :])
    return layer(x if window.even else _pad(x, window, 0.0))


def _pool_layer(node: Node, x: Array, **own: int) -> tuple[make.Pool2D, make.Window, Any]:
    o = node.options(**make.POOL, **own)
    layer, window = make.pool2d(node, o, x.shape[4 - len(o.kernel_shape) :])
    return layer, window, o


def _max_pool(node: Node, x: Array) -> Array:
    layer, window, _ = _pool_layer(node, x, storage_order=0)
    if len(node.outputs) > 1:
        node.refuse("Indices", "xpnn's MaxPool2D does not tell where the maxima lie")
    dtype = x.dtype
    if dtype.kind in "iu":
        x = x.astype("float32")  # exact, since the operator allows 8 bits
    return layer(x if layer.padding == window.before and window.even else _pad(x, window, -xp.inf)).astype(dtype)


def _average_pool(node: Node, x: Array) -> Array:
    """By AvgPool2D; if some of the padding does not count, divided by the mean of ones, 0 where nothing counts."""
    layer, window, o = _pool_layer(node, x, count_include_pad=0)
    counted = o.count_include_pad or window.before == window.after == (0, 0)
    if window.even and counted and layer.padding == window.before:
        return layer(x)
    ones = xp.ones_like(x)
    if o.count_include_pad:
        inner = make.Window(window.kernel, window.stride, window.dilation, window.before, window.after, (0, 0))
        outer = make.Window(window.kernel, window.stride, window.dilation, (0, 0), (0, 0), window.beyond)
        ones = _pad(_pad(ones, inner, 1.0), outer, 0.0)
    else:
        ones = _pad(ones, window, 0.0)
    plain = type(layer)(layer.size, layer.stride)
    mean: Array = plain(_pad(x, window, 0.0)) / plain(ones)
    return mean


def _global_average_pool(node: Node, x: Array) -> Array:
    node.options()
    images = x.reshape(*x.shape[:2], 1, -1)
    return GlobalAvgPool2D()(images).reshape(*x.shape[:2], *[1] * (x.ndim - 2))


def _global_max_pool(node: Node, x: Array) -> Array:
    node.options()
    images = x.reshape(*x.shape[:2], 1, -1)
    return MaxPool2D(images.shape[2:])(images).reshape(*x.shape[:2], *[1] * (x.ndim - 2))


def _gemm(node: Node, A: Array, B: Array, C: Array | None = None) -> Array:
    A = A.T if node.attributes.get("transA") else A
    layer = make.gemm(node, B, C)
    if layer is not None:
        return layer(A)
    product = make.gemm(node, B, None)
    assert product is not None  # only C could prevent a layer
    y: Array = product(A) + node.attributes.get("beta", 1.0) * C
    return y


def _matmul(node: Node, A: Array, B: Array) -> Array:
    node.options()
    if B.ndim == 2 and A.ndim > 1 and A.dtype.kind == "f":
        return make.dense(B.T, None)(A)
    product: Array = A @ B
    return product


def _batch_normalization(node: Node, x: Array, *weights: Array) -> Array:
    images = x if x.ndim in (2, 3, 4) else x.reshape(*x.shape[:2], 1, -1)
    return make.batch_norm(node, images.ndim, weights)(images).reshape(x.shape)


def _log_softmax(z: Array) -> Array:
    z = z - z.max(-1, keepdims=True)
    y: Array = z - xp.log(xp.exp(z).sum(-1, keepdims=True))
    return y


def _along_axis(function: Callable[[Array], Array]) -> Callable[..., Array]:
    """A function like softmax along one axis; before opset 13, along that axis and all later ones, flattened."""

    def operator(node: Node, x: Array) -> Array:
        if node.opset < 13:
            axis = node.options(axis=1).axis
            return function(x.reshape(prod(x.shape[:axis]), -1)).reshape(x.shape)
        axis = node.options(axis=-1).axis
        return function(x.swapaxes(axis, -1)).swapaxes(axis, -1)

    return operator


def _flatten(node: Node, x: Array) -> Array:
    axis = node.options(axis=1).axis
    rows = prod(x.shape[: axis if axis >= 0 else x.ndim + axis])
    return x.reshape(rows, x.size // max(1, rows))


def _reshape(node: Node, x: Array, shape: Array) -> Array:
    o = node.options(allowzero=0)
    sizes = _numbers(shape)
    return x.reshape([x.shape[i] if size == 0 and not o.allowzero else size for i, size in enumerate(sizes)])


def _transpose(node: Node, x: Array) -> Array:
    return x.transpose(node.options(perm=None).perm)


def _squeeze(node: Node, x: Array, axes: Array | None = None) -> Array:
    o = node.options(axes=None)
    wanted = o.axes if axes is None else _numbers(axes)
    return x.squeeze() if wanted is None else x.squeeze(tuple(wanted))


def _unsqueeze(node: Node, x: Array, axes: Array | None = None) -> Array:
    o = node.options(axes=None)
    return xp.expand_dims(x, tuple(o.axes if axes is None else _numbers(axes)))


def _reduce(name: str) -> Callable[..., Array]:
    def operator(node: Node, x: Array, axes: Array | None = None) -> Array:
        o = node.options(axes=None, keepdims=1, noop_with_empty_axes=0)
        wanted = o.axes if axes is None else _numbers(axes)
        if not wanted and o.noop_with_empty_axes:
            return x
        reduced: Array = getattr(x, name)(tuple(wanted) if wanted else None, keepdims=bool(o.keepdims))
        return reduced

    return operator


def _concat(node: Node, *values: Array) -> Array:
    return xp.concatenate(values, axis=node.options(axis=1).axis)


def _gather(node: Node, data: Array, indices: Array) -> Array:
    """Rows of a matrix by Embedding, which takes no negative indices; other axes by indexing."""
    axis = node.options(axis=0).axis
    if data.ndim == 2 and axis == 0 and data.dtype.kind == "f" and indices.ndim:
        indices = xp.where(indices < 0, indices + len(data), indices)
        return make.with_params(Embedding(*data.shape, rng=0, dtype=data.dtype.name), W=data)(indices)
    return xp.take(data, indices, axis=axis)


def _scatter_nd(node: Node, data: Array, indices: Array, updates: Array) -> Array:
    reduction = node.options(reduction="none").reduction
    if reduction != "none":
        node.refuse("reduction", "xpnn writes each place once", reduction)
    out = data.copy()
    out[tuple(indices[..., i] for i in range(indices.shape[-1]))] = updates
    return out


def _dropout(node: Node, x: Array, ratio: Array | None = None, training: Array | None = None) -> Result:
    o = node.options(ratio=0.5, seed=0)
    p = float(to_numpy(ratio)) if ratio is not None else o.ratio
    if training is not None and bool(to_numpy(training)) and p:
        node.refuse(
            "training_mode", "ONNX leaves the random numbers open (with a ratio above 0), and xpnn draws its own"
        )
    return Dropout(p)(x), xp.ones(x.shape, dtype=bool)


def _recurrent(
    node: Node,
    x: Array,
    W: Array,
    R: Array,
    B: Array | None = None,
    lengths: Array | None = None,
    h: Array | None = None,
    c: Array | None = None,
    P: Array | None = None,
) -> tuple[Array, ...]:
    """Each direction is a layer of its own; the reverse one reads the reversed sequence."""
    o = make.recurrent_options(node)
    if P is not None:
        node.refuse("P", "xpnn's LSTM has no peepholes")
    if lengths is not None and o.direction != "forward":
        node.refuse("sequence_lens", "xpnn reads sequences of different lengths forwards only")

    def swap(a: Array) -> Array:
        """Swap ONNX's order of axes and batch first, in either direction."""
        return a if o.layout else a.swapaxes(0, 1)

    x, steps = swap(x), None if lengths is None else _numbers(lengths)
    states = [None if part is None else swap(part) for part in ((h, c) if node.op == "LSTM" else (h,))]
    outputs, lasts = [], []
    for d in range(len(W)):
        turn = slice(None, None, -1) if d or o.direction == "reverse" else slice(None)
        layer = make.recurrent(node, W[d], R[d], None if B is None else B[d], return_sequences=True)
        zeros = xp.zeros((len(x), R.shape[2]), dtype=x.dtype)
        state = tuple(zeros if part is None else part[:, d] for part in states)
        y, last, _ = layer.forward_from(x[:, turn], state, False, steps)
        outputs.append(y[:, turn])
        lasts.append(last if isinstance(last, tuple) else (last,))
    y = xp.stack(outputs, axis=2)  # (N, T, directions, H)
    y = y if o.layout else y.transpose(1, 2, 0, 3)
    return y, *(swap(xp.stack(parts, axis=1)) for parts in zip(*lasts, strict=True))


def _layer(make_layer: Callable[[], Layer]) -> Callable[..., Array]:
    def operator(node: Node, x: Array) -> Array:
        node.options()
        return make_layer()(x)

    return operator


def _elementwise(function: Callable[..., Array]) -> Callable[..., Array]:
    def operator(node: Node, *values: Array) -> Array:
        make.check_elementwise(node)
        return function(*values)

    return operator


OPERATORS: dict[str, Callable[..., Result]] = {
    "Abs": _elementwise(lambda x: abs(x)),
    "Add": _elementwise(lambda a, b: a + b),
    "AveragePool": _as_images(_average_pool),
    "BatchNormalization": _batch_normalization,
    "Concat": _concat,
    "Conv": _as_images(_conv),
    "Dropout": _dropout,
    "Exp": _elementwise(lambda x: xp.exp(x)),
    "Flatten": _flatten,
    "GRU": _recurrent,
    "Gather": _gather,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_average_pool,
    "GlobalMaxPool": _global_max_pool,
    "Identity": _elementwise(lambda x: x),
    "LSTM": _recurrent,
    "LeakyRelu": lambda node, x: make.leaky_relu(node)(x),
    "Log": _elementwise(lambda x: xp.log(x)),
    "LogSoftmax": _along_axis(_log_softmax),
    "MatMul": _matmul,
    "MaxPool": _as_images(_max_pool),
    "Mul": _elementwise(lambda a, b: a * b),
    "Neg": _elementwise(lambda x: -x),
    "RNN": _recurrent,
    "ReduceMean": _reduce("mean"),
    "ReduceSum": _reduce("sum"),
    "Relu": _layer(ReLU),
    "Reshape": _reshape,
    "ScatterND": _scatter_nd,
    "Sigmoid": _layer(Sigmoid),
    "Softmax": _along_axis(Softmax()),
    "Sqrt": _elementwise(lambda x: xp.sqrt(x)),
    "Squeeze": _squeeze,
    "Sub": _elementwise(lambda a, b: a - b),
    "Sum": _elementwise(lambda first, *others: sum(others, first)),
    "Tanh": _layer(Tanh),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
"""For each operator, a function of the node and its input values (None if omitted) that returns its outputs."""
