"""ONNX's ConvTranspose: the layer, and the rows and columns of its output."""

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from ...backend import Array
from ...layers import ConvTranspose2D
from .layers import WINDOW, window, with_params
from .node import Node

ONE_ROW = {"kernel_shape": [1], "strides": [1], "dilations": [1], "output_padding": [0], "output_shape": [1]}
"""The attributes of a signal's node for the single row of an image."""


def conv_transpose(
    node: Node, W: Array, b: Array | None, size: Sequence[int | None] = (None, None)
) -> tuple[ConvTranspose2D, list[slice]]:
    """The layer of a ConvTranspose node; for both axes, the slice of its output that is the node's output.

    The node cuts off ``before`` and ``after`` at the ends of an axis. The layer cuts off the same at both ends, and
    adds less than a stride, or a dilation, at the end.

    Args:
        size: the image's size, on which ``output_shape`` depends; None for unknown lengths.
    """
    o = node.options(*WINDOW, "group", "output_padding", "output_shape")
    same = o.auto_pad.startswith("SAME")
    w = window(node, SimpleNamespace(**vars(o) | {"auto_pad": "VALID" if same else o.auto_pad}), W.shape[2:])
    padding, more, parts = [0, 0], list(o.output_padding or (0, 0)), []
    for k, (before, after) in enumerate(zip(w.before, w.after, strict=True)):
        reach = w.dilation[k] * (w.kernel[k] - 1) + 1
        if o.output_shape or same:
            total = max(0, reach + more[k] - w.stride[k])  # leaves one stride for each pixel
            if o.output_shape:
                if (length := size[k]) is None:
                    node.refuse("output_shape", "the padding depends on the image's size", o.output_shape)
                total = (length - 1) * w.stride[k] + reach + more[k] - o.output_shape[k]
            before = max(0, total // 2 if o.auto_pad == "SAME_UPPER" else total - total // 2)
            after = total - before
        behind = more[k] + before - after
        start = max(0, behind - max(w.stride[k], w.dilation[k]) + 1)
        padding[k], more[k] = before - start, max(0, behind - start)
        parts.append(slice(start or None, min(0, behind - start) or None))
    settings = w.kernel, w.stride, tuple(padding), tuple(more), o.group
    options: dict[str, Any] = {"dilation": w.dilation, "bias": b is not None, "rng": 0, "dtype": W.dtype.name}
    layer = ConvTranspose2D(len(W), W.shape[1] * o.group, *settings, **options)
    return with_params(layer, W=W, b=b), parts


def as_image(node: Node) -> Node:
    """A signal's node as the node of an image of one row."""
    lists = {key: one + node.attributes[key] for key, one in ONE_ROW.items() if node.attributes.get(key)}
    if pads := node.attributes.get("pads"):
        lists["pads"] = [0, pads[0], 0, pads[1]]
    return replace(node, attributes=node.attributes | lists)
