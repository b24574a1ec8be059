"""From the ONNX nodes around an RNN, LSTM or GRU to the layer, of one direction or of both."""

from ...layers import Bidirectional, Flatten, Layer, Permute
from . import layers as make
from .node import Node
from .walk import Reader

CELL = "RNN|LSTM|GRU"


def last_state(reader: Reader, node: Node) -> tuple[Layer, str]:
    """The last state, behind a Squeeze of the direction's axis."""
    found = reader.behind(node.inputs[0], CELL)
    if not found or not _of(found[0], 1, node) or reader.axes(node) != [0]:
        node.refuse("operator", "xpnn has it only after a recurrent layer")
    return _recurrent(reader, found[0], return_sequences=False)


def states(reader: Reader, node: Node) -> tuple[Layer, str]:
    """All states, behind a Transpose to batch first; before it the directions are dropped, joined or added.

    Around no recurrent layer, the sample's axes in another order.
    """
    value, cell, merge = node.inputs[0], None, ""
    squeezed = reader.behind(value, "Squeeze", CELL)
    added = reader.behind(value, "ReduceSum", CELL)
    joined = reader.behind(value, "Reshape", "Transpose", CELL)
    if squeezed and _of(squeezed[1], 0, squeezed[0]) and reader.axes(squeezed[0]) == [1]:
        cell = squeezed[1]
    elif added and _of(added[1], 0, added[0]) and _adds(reader, added[0], axis=1):
        cell, merge = added[1], "sum"
    elif joined and _of(joined[2], 0, joined[1]) and _joins(reader, joined[0], joined[1], [0, 2, 1, 3], [0, 0, -1]):
        cell, merge = joined[2], "concat"
    perm = node.options("perm").perm
    if cell is None and perm and perm[0] == 0:
        return Permute(*perm[1:]), value
    if cell is None or perm != [1, 0, 2]:
        node.refuse("perm", "the batch comes first in xpnn, except around a recurrent layer", perm)
    return _recurrent(reader, cell, return_sequences=True, merge=merge)


def reshape(reader: Reader, node: Node) -> tuple[Layer, str]:
    """(N, ...) to (N, features): the last states of both directions side by side, or Flatten."""
    found = reader.behind(node.inputs[0], "Transpose", CELL)
    if found and _of(found[1], 1, found[0]) and _joins(reader, node, found[0], [1, 0, 2], [0, -1]):
        return _recurrent(reader, found[1], return_sequences=False, merge="concat")
    o, shape = node.options("allowzero"), reader.constant(node, 1)
    sizes = None if shape is None else shape.tolist()
    if sizes != [0, -1] or o.allowzero:
        node.refuse("shape", "xpnn's only change of shape is (N, ...) to (N, features), [0, -1]", sizes)
    return Flatten(), node.inputs[0]


def reduce_sum(reader: Reader, node: Node) -> tuple[Layer, str]:
    """The sum of the last states of both directions."""
    found = reader.behind(node.inputs[0], CELL)
    if not found or not _of(found[0], 1, node) or not _adds(reader, node, axis=0):
        node.refuse("operator", "xpnn adds along an axis only in RBF and after a recurrent layer of both directions")
    return _recurrent(reader, found[0], return_sequences=False, merge="sum")


def refuse_cell(reader: Reader, node: Node) -> tuple[Layer, str]:
    """A node whose output is read as it is."""
    node.refuse("output", "the batch comes first in xpnn, so a Squeeze and, for all states, a Transpose must follow")


def _of(cell: Node, output: int, node: Node) -> bool:
    """Whether the node reads this output of the cell: all states, or the last one."""
    return cell.outputs[output : output + 1] == node.inputs[:1]


def _adds(reader: Reader, total: Node, axis: int) -> bool:
    return reader.axes(total) == [axis] and not total.attributes.get("keepdims", 1)


def _joins(reader: Reader, reshape: Node, transpose: Node, perm: list[int], shape: list[int]) -> bool:
    o, sizes = reshape.options("allowzero"), reader.constant(reshape, 1)
    given = None if sizes is None else sizes.tolist()
    return transpose.options("perm").perm == perm and given == shape and not o.allowzero


def _recurrent(reader: Reader, node: Node, return_sequences: bool, merge: str = "") -> tuple[Layer, str]:
    o = make.recurrent_options(node)
    if o.direction != ("bidirectional" if merge else "forward"):
        node.refuse("direction", "xpnn's layers read forwards or, joined or added, in both directions", o.direction)
    if o.layout:
        node.refuse("layout", "xpnn reads layout 0, the one that onnxruntime runs", o.layout)
    names = ("sequence_lens", "initial_h", "initial_c", "P")
    for name, value in zip(names, node.inputs[4:], strict=False):
        if value:
            node.refuse(name, "a layer has one input")
    turned = reader.behind(node.inputs[0], "Transpose")
    if not turned or turned[0].options("perm").perm != [1, 0, 2]:
        node.refuse("input 0", "the batch comes first in xpnn, so a Transpose must stand before")
    weights = reader.weight(node, 1, 3), reader.weight(node, 2, 3), reader.optional_weight(node, 3, 2)
    directions = make.recurrent(node, *weights, return_sequences=return_sequences)
    return Bidirectional(*directions, merge=merge) if merge else directions[0], turned[0].inputs[0]
