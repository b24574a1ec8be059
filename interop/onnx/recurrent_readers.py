"""From a recurrent node, which reads and gives sequences batch first, to the layer of one direction or of both."""

from dataclasses import replace

from ...layers import Bidirectional, Layer
from . import layers as make
from .node import Node
from .walk import Reader

OWN = {"roles", "starts", "directions", "return_sequences", "return_state", "merge"}
"""What ``reductions.py`` has noted beside the node's own attributes."""


def recurrent(reader: Reader, node: Node) -> tuple[Layer, str]:
    noted = {key: node.attributes[key] for key in OWN & node.attributes.keys()}
    if "merge" not in noted:
        node.refuse("shape", "the lengths of its axes do not follow from the model's")
    node = replace(node, attributes={key: value for key, value in node.attributes.items() if key not in OWN})
    if make.recurrent_options(node).direction == "reverse":
        node.refuse("direction", "xpnn's layers read forwards or, joined or added, in both directions", "reverse")
    weights = reader.weight(node, 1, 3), reader.weight(node, 2, 3), reader.optional_weight(node, 3, 2)
    settings = {"return_state": noted["return_state"], "initial_state": noted["starts"]}
    directions = make.recurrent(node, *weights, return_sequences=noted["return_sequences"], **settings)
    for name, how, index in zip(directions[0].state_names, noted["starts"], (4, 5), strict=False):
        if how == "learned":
            for layer, start in zip(directions, reader.weight(node, index, 3), strict=True):
                layer.params[f"{name}_0"] = start[0]
    return Bidirectional(*directions, merge=noted["merge"]) if len(directions) > 1 else directions[0], node.inputs[0]
