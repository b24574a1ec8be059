"""From an ONNX node and its weights to the xpnn layer that computes it, for both ``load`` and ``Backend``."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, TypeAlias, TypeVar

from ...backend import Array, xp
from ...layers import GRU, LSTM, RNN, AvgPool2D, BatchNorm1D, BatchNorm2D, Conv2D, Dense, Layer, LeakyReLU, MaxPool2D
from ...layers.recurrent import Recurrent
from .node import Node, shortest

L = TypeVar("L", bound=Layer)
Pool2D: TypeAlias = MaxPool2D | AvgPool2D

POOL: dict[str, Any] = {
    "auto_pad": "NOTSET",
    "ceil_mode": 0,
    "dilations": None,
    "kernel_shape": None,
    "pads": None,
    "strides": None,
}
CONV: dict[str, Any] = {**POOL, "group": 1}
del CONV["ceil_mode"]

ACTIVATIONS = {"RNN": ["Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"]}


def with_params(layer: L, **values: Array) -> L:
    """The layer, after these parameters are assigned."""
    for key, value in values.items():
        layer.params[key] = value
    return layer


def check_elementwise(node: Node) -> None:
    """Refuse the broadcasting of opsets before 7, along an axis counted from the left."""
    axis = node.options(broadcast=0, axis=None).axis
    if axis is not None:
        node.refuse("axis", "shapes are matched from the right, as in every opset since 7", axis)


@dataclass(frozen=True)
class Window:
    """A kernel's size and positions on an image; each pair has rows before columns.

    Attributes:
        before, after: padding at the top and left, and at the bottom and right.
        beyond: what ``ceil_mode`` adds at the bottom and right to complete the last window.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    before: tuple[int, int]
    after: tuple[int, int]
    beyond: tuple[int, int]

    @property
    def even(self) -> bool:
        """Whether the padding is the same on both sides, as in xpnn's layers."""
        return self.before == self.after and self.beyond == (0, 0)


def window(node: Node, o: SimpleNamespace, kernel: Sequence[int], size: Sequence[int] | None) -> Window:
    """The window that a node's attributes describe.

    Args:
        node, o: the node and its attributes.
        kernel: lengths of the kernel's axes; if there is one, the image is a single row.
        size: of the image; None if it is unknown, as when a file is loaded.

    Raises:
        UnsupportedNodeError: more than two axes; or the padding depends on the unknown size.
    """
    axes = len(kernel)
    if axes not in (1, 2) or (axes == 1 and size is None):
        node.refuse("kernel_shape", "xpnn's images have two axes", list(kernel))
    stride, dilation = o.strides or [1] * axes, o.dilations or [1] * axes
    before, after, beyond = [0] * axes, [0] * axes, [0] * axes
    if o.auto_pad == "NOTSET" and o.pads:
        before, after = list(o.pads[:axes]), list(o.pads[axes:])
    for i in range(axes):
        reach = dilation[i] * (kernel[i] - 1) + 1
        if o.auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            if size is None:
                node.refuse("auto_pad", "the padding depends on the image's size", o.auto_pad)
            total = max(0, (-(-size[i] // stride[i]) - 1) * stride[i] + reach - size[i])
            after[i] = total // 2 + (total % 2 if o.auto_pad == "SAME_UPPER" else 0)
            before[i] = total - after[i]
        if getattr(o, "ceil_mode", 0):
            if size is None:
                node.refuse("ceil_mode", "xpnn's layers round output sizes down", o.ceil_mode)
            span = size[i] + before[i] + after[i] - reach
            steps = -(-span // stride[i])
            steps -= steps * stride[i] >= size[i] + before[i]  # a last window with nothing but padding is dropped
            beyond[i] = max(0, steps * stride[i] - span)
    values = (list(kernel), stride, dilation, before, after, beyond)
    first = (1, 1, 1, 0, 0, 0)
    return Window(*((v[0], v[1]) if axes == 2 else (one, v[0]) for one, v in zip(first, values, strict=True)))


def conv2d(node: Node, W: Array, b: Array | None, size: Sequence[int] | None = None) -> tuple[Conv2D, Window]:
    """The layer of a Conv node, and its window. If that is not even, the layer does not pad, and the caller must."""
    o = node.options(**CONV)
    w = window(node, o, W.shape[2:], size)
    layer = Conv2D(
        W.shape[1] * o.group,
        W.shape[0],
        w.kernel,
        w.stride,
        w.before if w.even else 0,
        w.dilation,
        o.group,
        rng=0,
        dtype=W.dtype.name,
    )
    return with_params(layer, W=W.reshape(layer.params["W"].shape), b=_bias(layer, b)), w


def pool2d(node: Node, o: SimpleNamespace, size: Sequence[int] | None = None) -> tuple[Pool2D, Window]:
    """The layer of a pooling node, and its window as for :func:`conv2d`."""
    w = window(node, o, o.kernel_shape, size)
    if w.dilation != (1, 1):
        node.refuse("dilations", "xpnn's pooling has no dilated windows", o.dilations)
    fits = w.even and all(p < k for p, k in zip(w.before, w.kernel, strict=True))
    kind = MaxPool2D if node.op == "MaxPool" else AvgPool2D
    return kind(w.kernel, w.stride, w.before if fits else 0), w


def dense(W: Array, b: Array | None) -> Dense:
    """The Dense layer with W (out, in)."""
    layer = Dense(W.shape[1], W.shape[0], rng=0, dtype=W.dtype.name)
    return with_params(layer, W=W, b=_bias(layer, b))


def _bias(layer: Layer, b: Array | None) -> Array:
    """The bias for a layer; zeros if the node has none."""
    place = layer.params["b"]
    return xp.zeros_like(place) if b is None else xp.broadcast_to(b, place.shape)


def gemm(node: Node, B: Array, C: Array | None) -> Dense | None:
    """The layer of a Gemm node; None if C is a matrix with different rows, not a vector."""
    o = node.options(alpha=1.0, beta=1.0, broadcast=0, transA=0, transB=0)  # broadcast: before opset 7; now always on
    W = B if o.transB else B.T
    W = W if o.alpha == 1 else W * o.alpha
    if C is None:
        return dense(W, None)
    if C.ndim == 2 and C.shape[0] != 1:
        return None
    C = C if o.beta == 1 else C * o.beta
    return dense(W, C.reshape(-1))


def batch_norm(node: Node, rank: int, weights: Sequence[Array]) -> BatchNorm1D | BatchNorm2D:
    """The layer of a BatchNormalization node, for an input of this rank; weights are scale, B, mean, var."""
    inference = int(node.opset >= 7)  # before opset 7, is_test says so
    o = node.options(epsilon=1e-5, momentum=0.9, training_mode=0, is_test=inference)
    if o.training_mode or not o.is_test:
        node.refuse("training_mode", "ONNX tracks the batch's own variance, xpnn its unbiased estimate", 1)
    gamma, beta, mean, var = weights
    # ONNX's momentum is the weight of the old estimate, xpnn's that of the new batch
    arguments = len(gamma), shortest(o.epsilon), shortest(1 - shortest(o.momentum))
    kind = BatchNorm2D if rank == 4 else BatchNorm1D
    layer = with_params(kind(*arguments, dtype=gamma.dtype.name), gamma=gamma, beta=beta)
    layer.buffers["running_mean"], layer.buffers["running_var"] = mean, var
    return layer


def leaky_relu(node: Node) -> LeakyReLU:
    """The layer of a LeakyRelu node."""
    return LeakyReLU(shortest(node.options(alpha=0.01).alpha))


def recurrent_options(node: Node) -> SimpleNamespace:
    """The attributes of an RNN, LSTM or GRU node; refuses those that xpnn does not support."""
    defaults: dict[str, Any] = {"activations": None, "clip": None, "direction": "forward", "hidden_size": 0}
    defaults["layout"] = 0
    if node.op == "LSTM":
        defaults["input_forget"] = 0
    if node.op == "GRU":
        defaults["linear_before_reset"] = 0
    o = node.options(**defaults)
    directions = 2 if o.direction == "bidirectional" else 1
    if o.activations not in (None, ACTIVATIONS[node.op] * directions):
        node.refuse("activations", "xpnn's recurrent layers have sigmoid and tanh built in", o.activations)
    if o.clip is not None:
        node.refuse("clip", "xpnn does not clip inside a cell", o.clip)
    if node.op == "LSTM" and o.input_forget:
        node.refuse("input_forget", "xpnn's forget gate has weights of its own", o.input_forget)
    if node.op == "GRU" and not o.linear_before_reset:
        node.refuse("linear_before_reset", "xpnn's reset gate acts on W h, as in PyTorch; 0 is another network", 0)
    return o


def recurrent(node: Node, W: Array, R: Array, B: Array | None, return_sequences: bool) -> Recurrent:
    """The layer of one direction of an RNN, LSTM or GRU node: W (G, I), R (G, H), B (2G,) or None.

    ONNX's order of the gates is i, o, f, c for an LSTM and z, r, h for a GRU; xpnn's is i, f, g, o and r, z, n.
    """
    kind, order = {"RNN": (RNN, [0]), "LSTM": (LSTM, [0, 2, 3, 1]), "GRU": (GRU, [1, 0, 2])}[node.op]
    H, I = R.shape[1], W.shape[1]
    layer: Recurrent = kind(I, H, return_sequences, rng=0, dtype=W.dtype.name)

    def sorted_gates(rows: Array) -> Array:
        gates = rows.reshape(len(order), H, -1)
        return xp.concatenate([gates[k] for k in order])

    B = xp.zeros(2 * len(W), dtype=W.dtype) if B is None else B
    for_x, for_h = B[: len(W)], B[len(W) :]
    if node.op == "GRU":  # the reset gate multiplies the candidate's second bias, too
        layer.params["b_h"] = for_h[2 * H :]
        for_h = xp.concatenate([for_h[: 2 * H], xp.full(H, -0.0, dtype=W.dtype)])
    return with_params(layer, W_x=sorted_gates(W), W_h=sorted_gates(R), b=sorted_gates(for_x + for_h).reshape(-1))
