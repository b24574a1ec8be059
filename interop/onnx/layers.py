"""Turn an ONNX node and its weights into the xpnn layer that computes it, for both ``load`` and ``Backend``."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeVar

from ... import layers
from ...backend import Array, xp
from ...layers.pool import Pool
from ...layers.recurrent import Recurrent
from .graph import Lengths
from .node import Node, shortest

L = TypeVar("L", bound=layers.Layer)

LAYER_NORM = ("axis", "epsilon", "stash_type")
WINDOW = ("auto_pad", "dilations", "kernel_shape", "pads", "strides")

ACTIVATIONS = {"RNN": ["Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"]}
CELLS: dict[str, tuple[type[Recurrent], list[int]]] = {
    "RNN": (layers.RNN, [0]),
    "LSTM": (layers.LSTM, [0, 2, 3, 1]),
    "GRU": (layers.GRU, [1, 0, 2]),
}
"""For each recurrent operator, the layer and the positions of its gates among ONNX's.

ONNX's order is i, o, f, c for an LSTM and z, r, h for a GRU; xpnn's is i, f, g, o and r, z, n.
"""


def with_params(layer: L, **values: Array | None) -> L:
    """The layer with these parameters assigned; None for a parameter that it does not have."""
    layer.params.update({key: value for key, value in values.items() if value is not None})
    return layer


ACTIVATION_LAYERS: dict[str, tuple[Callable[[SimpleNamespace], layers.Layer], *tuple[str, ...]]] = {
    "Elu": (lambda o: layers.ELU(shortest(o.alpha)), "alpha"),
    "Gelu": (lambda o: layers.GELU(o.approximate), "approximate"),
    "HardSigmoid": (lambda o: layers.HardSigmoid(shortest(o.alpha, 1 / 6), shortest(o.beta)), "alpha", "beta"),
    "HardSwish": (lambda o: layers.HardSwish(),),
    "LeakyRelu": (lambda o: layers.LeakyReLU(shortest(o.alpha)), "alpha"),
    "Relu": (lambda o: layers.ReLU(),),
    "Sigmoid": (lambda o: layers.Sigmoid(),),
    "Softplus": (lambda o: layers.Softplus(),),
    "Tanh": (lambda o: layers.Tanh(),),
}
"""For each activation operator, the function that makes the layer from its attributes, and their names."""


def activation(node: Node) -> layers.Layer:
    """The layer of one of these nodes."""
    make, *names = ACTIVATION_LAYERS[node.op]
    return make(node.options(*names))


def check_elementwise(node: Node) -> None:
    """Refuse the broadcasting of opsets before 7, along an axis counted from the left."""
    axis = node.options("axis", "broadcast").axis
    if axis is not None:
        node.refuse("axis", "shapes are matched from the right, as in every opset since 7", axis)


class Window(NamedTuple):
    """A kernel's size and positions on an image or a signal; rows before columns.

    Attributes:
        before, after: padding at the top and left, and at the bottom and right.
        beyond: what ``ceil_mode`` adds at the bottom and right to complete the last window.
    """

    kernel: Lengths
    stride: Lengths
    dilation: Lengths
    before: Lengths
    after: Lengths
    beyond: Lengths


def window(node: Node, o: SimpleNamespace, kernel: Sequence[int], size: Sequence[int] | None = None) -> Window:
    """The window that a node's attributes describe.

    Args:
        node, o: the node and its attributes.
        kernel: lengths of the kernel's axes.
        size: the size of the image or signal; None if it is unknown, as when a file is loaded.

    Raises:
        UnsupportedNodeError: there are more than two axes, or the padding depends on the unknown size.
    """
    axes = len(kernel)
    if axes not in (1, 2):
        node.refuse("kernel_shape", "xpnn has signals of one axis and images of two", list(kernel))
    ones, pads = [1] * axes, o.pads or [0] * 2 * axes
    if o.kernel_shape and o.kernel_shape != list(kernel):
        node.refuse("kernel_shape", "the weights have another size", o.kernel_shape)
    if o.auto_pad != "NOTSET" and any(pads):
        node.refuse("pads", "the operator allows them without auto_pad only", pads)
    sizes: Sequence[int | None] = size or [None] * axes
    values = kernel, o.strides or ones, o.dilations or ones, pads[:axes], pads[axes:], sizes
    rows = [_along_one_axis(node, o, *row) for row in zip(*values, strict=True)]
    return Window(*zip(*rows, strict=True))


def _along_one_axis(
    node: Node, o: SimpleNamespace, kernel: int, stride: int, dilation: int, before: int, after: int, size: int | None
) -> tuple[int, ...]:
    """One axis of a :class:`Window`."""
    reach, beyond = dilation * (kernel - 1) + 1, 0
    if o.auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        if size is None and stride > 1:
            node.refuse("auto_pad", "the padding depends on the image's size", o.auto_pad)
        total = reach - 1 if size is None else max(0, (-(-size // stride) - 1) * stride + reach - size)
        before = (total + (o.auto_pad == "SAME_LOWER")) // 2
        after = total - before
    if getattr(o, "ceil_mode", 0) and stride > 1:
        if size is None:
            node.refuse("ceil_mode", "xpnn's layers round output sizes down", o.ceil_mode)
        span = size + before + after - reach
        steps = -(-span // stride)
        steps -= steps * stride >= size + before  # a last window with nothing but padding is dropped
        beyond = max(0, steps * stride - span)
    return kernel, stride, dilation, before, after, beyond


def conv(
    node: Node, W: Array, b: Array | None, size: Sequence[int] | None = None
) -> tuple[layers.Conv1D | layers.Conv2D, Window]:
    """The layer of a Conv node, and its window; if the image's size is given, the caller does the padding."""
    o = node.options(*WINDOW, "group")
    w = window(node, o, W.shape[2:], size)
    same = [(n // 2, n - n // 2, 1) for n in (d * (k - 1) for d, k in zip(w.dilation, w.kernel, strict=True))]
    odd = w.before != w.after and same == [*zip(w.before, w.after, w.stride, strict=True)]
    padding: Any = 0 if size else "same" if odd or o.auto_pad == "SAME_UPPER" else _padding(node, w)
    settings = w.kernel, w.stride, padding, w.dilation, o.group
    kind = layers.Conv1D if len(w.kernel) == 1 else layers.Conv2D
    layer = kind(W.shape[1] * o.group, len(W), *settings, bias=b is not None, rng=0, dtype=W.dtype.name)
    return with_params(layer, W=W.reshape(layer.params["W"].shape), b=b), w


POOLS: dict[tuple[str, int], type[Pool]] = {
    ("AveragePool", 1): layers.AvgPool1D,
    ("AveragePool", 2): layers.AvgPool2D,
    ("MaxPool", 1): layers.MaxPool1D,
    ("MaxPool", 2): layers.MaxPool2D,
}


def pool(node: Node, size: Sequence[int] | None = None) -> tuple[Pool, Window]:
    """The layer of a pooling node and its window, as for :func:`conv`."""
    o = node.options(*WINDOW, "ceil_mode", "storage_order" if node.op == "MaxPool" else "count_include_pad")
    w = window(node, o, o.kernel_shape, size)
    if any(d > 1 for d in w.dilation):
        node.refuse("dilations", "xpnn's pooling has no dilated windows", o.dilations)
    if any(p >= k for p, k in zip(w.before + w.after, w.kernel * 2, strict=True)):
        node.refuse("pads", "xpnn's pooling pads by less than the window", o.pads)
    padding = (0,) * len(w.kernel) if size else _padding(node, w)
    if any(padding) and node.op == "AveragePool" and not o.count_include_pad:
        node.refuse("count_include_pad", "xpnn's average pooling counts the padding", 0)
    return POOLS[node.op, len(w.kernel)](w.kernel, w.stride, padding), w


def _padding(node: Node, w: Window) -> Lengths:
    """The padding of a layer with this window."""
    if w.before != w.after or any(w.beyond):
        node.refuse("pads", "xpnn's layers pad both sides alike, but for padding='same'", [*w.before, *w.after])
    return w.before


def dense(W: Array, b: Array | None = None) -> layers.Dense:
    """The Dense layer with W (out, in)."""
    layer = layers.Dense(W.shape[1], W.shape[0], bias=b is not None, rng=0, dtype=W.dtype.name)
    return with_params(layer, W=W, b=None if b is None else xp.broadcast_to(b, (len(W),)))


def gemm(node: Node, B: Array, b: Array | None = None) -> layers.Dense:
    """The layer of a Gemm node, with this bias."""
    o = node.options("alpha", "beta", "broadcast", "transA", "transB")  # broadcast: before opset 7; now always on
    W = B if o.transB else B.T
    return dense(W if o.alpha == 1 else W * o.alpha, b)


def batch_norm(node: Node, rank: int, weights: Sequence[Array]) -> layers.BatchNorm1D | layers.BatchNorm2D:
    """The layer of a BatchNormalization node, for an input of this rank; weights are scale, B, mean, var."""
    o = node.options("epsilon", "momentum", "training_mode", "is_test", "spatial")
    if o.training_mode or o.is_test == 0:  # before opset 7 the attribute is is_test
        node.refuse("training_mode", "ONNX tracks the batch's own variance, xpnn its unbiased estimate", 1)
    if o.spatial == 0 and rank != 2:
        node.refuse("spatial", "xpnn normalises each channel over all positions", 0)
    gamma, beta, mean, var = weights
    # ONNX's momentum is the weight of the old estimate, xpnn's that of the new batch
    arguments = len(gamma), shortest(o.epsilon), shortest(1 - shortest(o.momentum))
    kind = layers.BatchNorm2D if rank == 4 else layers.BatchNorm1D
    layer = with_params(kind(*arguments, dtype=gamma.dtype.name), gamma=gamma, beta=beta)
    layer.buffers.update(running_mean=mean, running_var=var)
    return layer


def layer_norm(node: Node, gamma: Array, beta: Array | None, affine: bool = True) -> layers.LayerNorm:
    """The layer of a LayerNormalization node; without ``affine``, gamma must be 1."""
    eps = shortest(node.options(*LAYER_NORM).epsilon)
    layer = layers.LayerNorm(gamma.shape, eps, affine, bias=beta is not None or not affine, dtype=gamma.dtype.name)
    return with_params(layer, gamma=gamma, beta=beta) if affine else layer


def embedding(W: Array) -> layers.Embedding:
    """The Embedding layer with these rows."""
    return with_params(layers.Embedding(*W.shape, rng=0, dtype=W.dtype.name), W=W)


def recurrent_options(node: Node) -> SimpleNamespace:
    """The attributes of an RNN, LSTM or GRU node; refuses those that xpnn does not support."""
    own = {"RNN": [], "LSTM": ["input_forget"], "GRU": ["linear_before_reset"]}[node.op]
    o = node.options("activations", "clip", "direction", "hidden_size", "layout", *own)
    directions = 2 if o.direction == "bidirectional" else 1
    if node.attributes.get("activations") not in (None, ACTIVATIONS[node.op] * directions):
        node.refuse("activations", "xpnn's recurrent layers have sigmoid and tanh built in", o.activations)
    if o.clip is not None:
        node.refuse("clip", "xpnn does not clip inside a cell", o.clip)
    if node.op == "LSTM" and o.input_forget:
        node.refuse("input_forget", "xpnn's forget gate has weights of its own", o.input_forget)
    if node.op == "GRU" and not o.linear_before_reset:
        node.refuse("linear_before_reset", "xpnn's reset gate acts on W h, as in PyTorch; 0 is another network", 0)
    return o


def recurrent(node: Node, W: Array, R: Array, B: Array | None, **settings: Any) -> list[Recurrent]:
    """The layer for each direction of an RNN, LSTM or GRU node, with these further settings.

    W is (D, G, I), R (D, G, H), B (D, 2G) or None.
    """
    kind, order = CELLS[node.op]
    o = recurrent_options(node)
    D, H = 2 if o.direction == "bidirectional" else 1, o.hidden_size or R.shape[-1]
    G = len(order) * H
    for name, value, shape in (("W", W, (D, G, W.shape[-1])), ("R", R, (D, G, H)), ("B", B, (D, 2 * G))):
        if value is not None and value.shape != shape:
            node.refuse(name, f"expected the shape {shape}, for {D} direction(s) and hidden_size {H}", value.shape)
    return [
        _direction(kind, order, *weights, **settings)
        for weights in zip(W, R, [None] * D if B is None else B, strict=True)
    ]


def _direction(
    kind: type[Recurrent], order: list[int], W: Array, R: Array, B: Array | None, **settings: Any
) -> Recurrent:
    H = R.shape[1]
    layer = kind(W.shape[1], H, bias=B is not None, rng=0, dtype=W.dtype.name, **settings)

    def sorted_gates(rows: Array) -> Array:
        gates = rows.reshape(len(order), H, -1)
        return xp.concatenate([gates[k] for k in order])

    with_params(layer, W_x=sorted_gates(W), W_h=sorted_gates(R))
    if B is None:
        return layer
    for_x, for_h = B[: len(W)], B[len(W) :]
    if "b_h" in layer.params:  # a GRU's reset gate multiplies the candidate's second bias, too
        layer.params["b_h"] = for_h[2 * H :]
        for_h = xp.concatenate([for_h[: 2 * H], xp.full(H, -0.0, dtype=W.dtype)])
    return with_params(layer, b=sorted_gates(for_x + for_h).reshape(-1))
