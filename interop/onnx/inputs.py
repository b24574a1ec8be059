"""What the rules of ``rules.py`` and its neighbours share: constant inputs, and views that they give."""

from numpy.lib.array_utils import normalize_axis_index

from .axes import View
from .batch_first import BatchFirst
from .node import Node


def moved(p: BatchFirst, node: Node, view: View) -> None:
    p.views[node.outputs[0]], p.maker[node.outputs[0]] = view, node


def numbers(p: BatchFirst, node: Node, index: int) -> list[int] | None:
    """A constant input of integers; None if there is none."""
    name = node.inputs[index] if index < len(node.inputs) else ""
    value = p.constants.get(name)
    if name and value is None:
        node.refuse(f"input {index}", "xpnn takes shapes and axes that are constants of the model")
    return None if value is None else value.reshape(-1).tolist()


def axes_of(p: BatchFirst, node: Node, rank: int) -> list[int] | None:
    """Of a Squeeze, Unsqueeze or a reduction: an input, or before an opset an attribute."""
    given = node.attributes.get("axes") or numbers(p, node, 1)
    return None if given is None else [normalize_axis_index(axis, rank) for axis in given]


def same(p: BatchFirst, node: Node) -> None:
    p.views[node.outputs[0]] = p.views[node.inputs[0]]
    if node.inputs[0] in p.maker:
        p.maker[node.outputs[0]] = p.maker[node.inputs[0]]
    if node.inputs[0] in p.concats:
        p.concats[node.outputs[0]] = p.concats[node.inputs[0]]
