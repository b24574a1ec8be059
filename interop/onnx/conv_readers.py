"""Turn nodes that slide a window into layers; a convolution's bias may be an Add."""

from collections.abc import Sequence
from dataclasses import replace

from ...backend import Array
from ...layers import Layer, Reshape, Slice
from ...models import Sequential
from . import layers as make
from .conv_transpose import as_image, conv_transpose
from .node import Node
from .walk import Reader


def convolution(reader: Reader, node: Node, b: Array | None = None) -> tuple[Layer, str]:
    b = reader.optional_weight(node, 2, 1) if b is None else b
    node, W = _padded(reader, node), reader.weight(node, 1, 3, 4, 5)
    return make.conv(_settled(reader, node, W.shape[2:]), W, b)[0], node.inputs[0]


def pool(reader: Reader, node: Node) -> tuple[Layer, str]:
    return make.pool(_settled(reader, node, node.attributes.get("kernel_shape", ())))[0], node.inputs[0]


def _settled(reader: Reader, node: Node, kernel: Sequence[int]) -> Node:
    """The node with explicit padding, if it depends on the image's size and the model gives this size."""
    size, given = reader.lengths(node.inputs[0])[2:], node.attributes
    depends = given.get("auto_pad", "NOTSET").startswith("SAME") or given.get("ceil_mode")
    if not depends or max(given.get("strides", [1])) == 1 or not size or None in size:
        return node
    o = node.options(*make.WINDOW, "group", "ceil_mode", "storage_order", "count_include_pad")
    w = make.window(node, o, kernel, [n for n in size if n])
    if any(w.beyond):
        return node
    settled = {"auto_pad": "NOTSET", "pads": [*w.before, *w.after]} | ({"ceil_mode": 0} if o.ceil_mode else {})
    return replace(node, attributes=given | settled)


def _padded(reader: Reader, node: Node) -> Node:
    """The Conv with the zeros of a Pad before it, of an image or a signal, as its own padding."""
    pad = reader.producers.get(node.inputs[0])
    if pad is None or pad.op != "Pad" or node.attributes.get("auto_pad", "NOTSET").startswith("SAME"):
        return node
    o = pad.options("mode", "pads", "value")
    given, value, axes = (reader.constant(pad, index) for index in (1, 2, 3))
    pads = o.pads if given is None else given.tolist()
    zeros = o.mode in (None, "constant") and not (o.value if value is None else value.any())
    half = len(pads or ()) // 2
    if not pads or not zeros or axes is not None or any(pads[:2] + pads[half : half + 2]) or min(pads) < 0:
        return node  # negative padding cuts off
    spatial = pads[2:half] + pads[half + 2 :]
    own = node.attributes.get("pads", [0] * len(spatial))
    together = {"auto_pad": "NOTSET", "pads": [a + b for a, b in zip(own, spatial, strict=True)]}
    return replace(node, inputs=(pad.inputs[0], *node.inputs[1:]), attributes=node.attributes | together)


def pad(reader: Reader, node: Node) -> tuple[Layer, str]:
    node.refuse("operator", "xpnn pads images and signals alone, by zeros and in the convolution behind it")


def transposed(reader: Reader, node: Node, b: Array | None = None) -> tuple[Layer, str]:
    """The layer, or several: a signal first becomes an image of one row, and ends may be cut off afterwards."""
    b = reader.optional_weight(node, 2, 1) if b is None else b
    W, size = reader.weight(node, 1, 3, 4, 5), reader.lengths(node.inputs[0])[2:]
    x, signal = node.inputs[0], W.ndim == 3
    if signal:
        node, W, size = as_image(node), W[:, :, None], (1, *size)
    layer, sections = conv_transpose(node, W, b, size or (None, None))
    parts: list[Layer] = [Reshape(layer.in_channels, 1, -1)] * signal
    parts += [layer, *(Slice(s.start, s.stop, k) for k, s in enumerate(sections, 2) if s != slice(None))]
    parts += [Reshape(layer.out_channels, -1)] * signal
    return parts[0] if len(parts) == 1 else Sequential(*parts), x
