"""From a recurrent node, which reads and gives sequences batch first, to the layer of one direction or of both."""

from dataclasses import replace

from ...layers import Bidirectional, Layer
from . import layers as make
from .node import Node
from .walk import Reader


def recurrent(reader: Reader, node: Node) -> tuple[Layer, str]:
    own = {key: value for key, value in node.attributes.items() if key not in ("return_sequences", "merge")}
    sequences, merge = node.attributes.get("return_sequences"), node.attributes.get("merge")
    if sequences is None or merge is None:
        node.refuse("shape", "the lengths of its axes do not follow from the model's")
    node = replace(node, attributes=own)
    o = make.recurrent_options(node)
    if o.direction == "reverse":
        node.refuse("direction", "xpnn's layers read forwards or, joined or added, in both directions", o.direction)
    weights = reader.weight(node, 1, 3), reader.weight(node, 2, 3), reader.optional_weight(node, 3, 2)
    directions = make.recurrent(node, *weights, return_sequences=sequences)
    return Bidirectional(*directions, merge=merge) if merge else directions[0], node.inputs[0]
