"""Turn an ONNX graph that branches and joins into a :class:`Graph`."""

import re
from collections import Counter
from itertools import pairwise

from ... import models
from ...layers import Add, Concat, Layer, Multiply
from .layers import CELLS, check_elementwise
from .node import Node, UnsupportedNodeError
from .walk import Reader

Read = tuple[Node, Layer, list[str]]
"""A value's node, the layer that ends there, and the values that it reads."""


def as_graph(reader: Reader, read: dict[str, Read]) -> models.Graph:
    """Each layer as a node; a Graph that xpnn wrote gets its original nodes."""
    graph = reader.graph
    names = {name: re.sub("[./]", "_", name) for name in graph.inputs}
    taken, count = set(names.values()), Counter[str]()
    nodes: dict[str, Layer | tuple[Layer | str, ...]] = {}
    for row in _rows(reader, read):
        (node, layer, reads), path = read[row[0]], reader.path(read[row[0]][0])
        if len(row) > 1 or len(path) == 1:
            name, layer = path[0], reader.compose([(reader.path(read[value][0]), read[value][1]) for value in row], 1)
        else:
            count[node.op] += 1
            name = "_".join(path) or f"{node.op.lower()}_{count[node.op]}"
        while name in taken:
            name += f"_{len(taken)}"
        taken.add(name)
        outputs = (row[-1], *read[row[-1]][0].outputs[1:])
        names |= zip(outputs, (name, *(f"{name}.{key}" for key in layer.gives)), strict=False)
        nodes[name] = (layer, *(names[value] for value in reads))
    ends: list[str] = []
    for name in (names[reader.origin(value)] for value in graph.outputs):
        state = f"{name}.h"  # a recurrent layer's only output, its last state, may be read as a state, too
        ends.append(state if name in ends and state in names.values() else name)
    return models.Graph(nodes, [names[value] for value in graph.inputs], ends, input_shape=_shapes(reader))


def _rows(reader: Reader, read: dict[str, Read]) -> list[list[str]]:
    """The values of each node: those under one name that xpnn wrote if they form a sequence, else one by one.

    A node comes after those that it reads.
    """
    uses = Counter(value for _, _, reads in read.values() for value in reads)
    uses += Counter(map(reader.origin, reader.graph.outputs))
    groups: dict[str, list[str]] = {}
    for value, (node, _, _) in read.items():
        groups.setdefault(next(iter(reader.path(node)), value), []).append(value)
    rows: list[list[str]] = []
    for values in groups.values():
        in_a_row = all(read[v][2] == [u] and uses[u] == 1 for u, v in pairwise(values))
        rows += [values] if in_a_row else [[value] for value in values]
    return sorted(rows, key=lambda row: reader.position(row[0]))


def read_all(reader: Reader) -> dict[str, Read]:
    """The node and layer that compute each value, found from the outputs back to the inputs, in the file's order.

    Raises:
        UnsupportedNodeError: there is no layer for some nodes; the message lists all of them.
    """
    read: dict[str, Read] = {}
    errors: dict[str, UnsupportedNodeError] = {}
    todo = [reader.origin(value) for value in reader.graph.outputs]
    while todo:
        value = reader.output(todo.pop())
        if value in read or value in errors or value in reader.graph.inputs:
            continue
        node = reader.producer(value)
        try:
            if reader.joins(node) and not (reader.graph.from_xpnn and reader.is_block(node)):
                layer, reads = _join(reader, node)
            else:
                layer, end = reader.layer(node, value)
                reads = [end]
            read[value] = node, layer, [reader.origin(name) for name in reads]
        except UnsupportedNodeError as error:
            errors[value] = error
        todo += map(reader.origin, read[value][2] if value in read else reader.sources(node))
    if errors:
        raise UnsupportedNodeError.of_all([errors[value] for value in sorted(errors, key=reader.position)])
    return dict(sorted(read.items(), key=lambda item: reader.position(item[0])))


def _join(reader: Reader, node: Node) -> tuple[Layer, list[str]]:
    """The layer that joins the node's inputs, and the inputs of all nodes that xpnn wrote for that layer."""
    layer: Layer
    if node.op in CELLS:
        layer, _ = reader.alone(node)
        return layer, reader.sources(node)
    if node.op == "Concat":
        axis = node.options("axis").axis
        if axis == 0:
            node.refuse("axis", "xpnn joins along another axis than the batch's", axis)
        layer = Concat(axis)
    else:
        check_elementwise(node)
        layer = Multiply() if node.op == "Mul" else Add()
    reads, path = [*reversed(node.inputs)], reader.path(node)
    before = reader.producers.get(reads[-1])
    while path and before and before.op == node.op != "Concat" and reader.path(before) == path:
        if reader.uses[reads[-1]] > 1:
            break
        reads[-1:] = reversed(before.inputs)
        before = reader.producers.get(reads[-1])
    for index, name in enumerate(reads):
        if not reader.depends(name):
            node.refuse(f"input {index}", "xpnn joins values that depend on the model's input")
        reader.check_input(node, layer, name)
    if len({reader.ranks[name] for name in reads if name in reader.ranks}) > 1:
        node.refuse("inputs", "xpnn joins arrays of the same number of axes")
    return layer, reads[::-1]


def _shapes(reader: Reader) -> tuple[object, ...] | None:
    """The shape of one sample of each input, if the file gives it."""
    shapes = [reader.sample_shape(name) for name in reader.graph.inputs]
    return None if None in shapes else tuple(shapes) if len(shapes) > 1 else shapes[0]
