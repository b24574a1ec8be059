"""Turn an ONNX graph into one whose values have the batch first, as xpnn's layers do.

Transpose, Reshape, Squeeze and the like move no values: for their outputs, only the positions of the axes are recorded.
If another node reads such an output in an order or shape that no value has, a Layout node is put before it. Recurrent
nodes read and return sequences batch first, so that exporters' transpositions around them cancel. If such a node reads
an input directly, (T, N, features) or as an initial state (layers, N, H), the network's input has its batch in front.
"""

import warnings
from collections.abc import Callable, Container, Sequence
from dataclasses import replace
from math import prod
from typing import TypeAlias

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from .axes import Group, MisfitError, View, back, batch, front, length, transposed, whole
from .batch_axes import batch_axes
from .graph import Graph, Lengths, common, needed
from .node import Node, UnsupportedNodeError

Rule: TypeAlias = Callable[["BatchFirst", Node], None]

ONE = "a layer has one output"
FIRST = "the batch comes first in xpnn"


def batch_first(graph: Graph, rules: dict[str, Rule], known: Container[str]) -> Graph:
    """The graph of the needed nodes, batch first; unchanged if the shapes of its values are unknown."""
    if not graph.sizes:
        return graph
    pass_ = BatchFirst(graph)
    for node in pass_.graph.nodes:
        try:
            with node.named():
                pass_.take(node, rules, known)
        except UnsupportedNodeError as error:  # raised later, together with all others, when layers are read
            pass_.refused(node, error)
    outputs = [pass_.output(name) for name in graph.outputs]
    if pass_.turned:
        warnings.warn(
            f"load: in the file the batch is not the first axis of {', '.join(pass_.turned)}; in the network it is",
            stacklevel=3,
        )
    nodes = needed(pass_.nodes, outputs)
    types = graph.types | {
        name: (pass_.dtypes[name], common(shape, pass_.second[name])) for name, shape in pass_.sizes.items()
    }
    return replace(graph, nodes=nodes, outputs=outputs, types=types, constants=pass_.constants)


class BatchFirst:
    """The nodes so far, and the positions of the axes of each value.

    Attributes:
        views: the view of each value that depends on an input.
        maker: the last node that moved a value's axes.
        sizes, second: the shape of each value in both trials; an axis whose lengths differ is free.
        dtypes: the dtype of each value.
        cells: for all states of a recurrent node, the last ones, and the numbers of directions and of hidden units.
        concats: for a Concat's output, the axis and the values that it joins.
        turned: the inputs and outputs whose batch is not the first axis in the file.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph, self.constants = graph, dict(graph.constants)
        self.dtypes = {key: dtype for key, (dtype, _) in graph.types.items()}
        self.sizes = {key: shape for key, (shape, _) in graph.sizes.items()}
        self.second = {key: shape for key, (_, shape) in graph.sizes.items()}
        self.views = {name: whole(name, self.sizes[name]) for name in graph.inputs}
        self.nodes: list[Node] = []
        self.maker: dict[str, Node] = {}
        self.cells: dict[str, tuple[str, int, int]] = {}
        self.concats: dict[str, tuple[int, tuple[str, ...]]] = {}
        self._placed: dict[View, str] = {}
        self.turned: list[str] = []
        for name, axis in batch_axes(graph).items():
            self._turn(name, axis)

    def _turn(self, name: str, axis: int) -> None:
        """Let the network's input have its batch in front; the nodes read a view of it."""
        self.turned.append(name)
        seen, order = f"{name}/file", [axis, *(k for k in range(len(self.sizes[name])) if k != axis)]
        for shapes in (self.sizes, self.second):
            shapes[seen], shapes[name] = shapes[name], tuple(shapes[name][k] for k in order)
        self.dtypes[seen] = self.dtypes[name]
        self.views[seen] = transposed(whole(name, self.sizes[name]), [order.index(k) for k in range(len(order))])
        self.views[name] = whole(name, self.sizes[name])
        nodes = [replace(n, inputs=tuple(seen if one == name else one for one in n.inputs)) for n in self.graph.nodes]
        self.graph = replace(self.graph, nodes=nodes)

    def take(self, node: Node, rules: dict[str, Rule], known: Container[str]) -> None:
        """Emit the nodes that replace this one."""
        sources = [name for name in node.inputs if name in self.views]
        if sources and node.op not in rules and node.op not in known:
            node.refuse("operator", "xpnn has no layer for it")
        for name in sources:
            maker = self.maker.get(name)
            if self.graph.from_xpnn and maker and self._path(maker) != self._path(node):
                self.views[name] = whole(place := self.read(name, maker), self.sizes[place])
                self.maker.pop(name)
        if sources:
            try:
                rules.get(node.op, BatchFirst.plain)(self, node)
            except MisfitError:
                node.refuse("input", FIRST)
            others = tuple(name for name in node.outputs if name and name not in self.views)
            if others:  # an error only if one of them is read
                self.refused(replace(node, outputs=others), UnsupportedNodeError(node.name, node.op, "output 1", ONE))
            for name in (name for name in node.outputs if name in self.views and name not in self.sizes):
                view = self.views[name]  # for an operator whose shape ONNX does not infer
                self.declare(name, tuple(map(length, view.groups)), self.other(view), self.dtypes[view.base])
        else:
            self.nodes.append(node)

    def refused(self, node: Node, error: UnsupportedNodeError) -> None:
        """Emit a placeholder for a node that is not supported."""
        bases = tuple(self.views[name].base for name in node.inputs if name in self.views)
        for name in filter(None, node.outputs):
            self.nodes.append(Node(error.node, "Refused", bases, (name,), node.opset, {"error": error}))
            self.sizes.setdefault(name, self.sizes[bases[0]])
            self.second.setdefault(name, self.second[bases[0]])
            self.dtypes.setdefault(name, self.dtypes[bases[0]])
            self.views[name] = whole(name, self.sizes[name])

    def output(self, name: str) -> str:
        """An output of the model, in its order of axes."""
        node = next((node for node in self.graph.nodes if name in node.outputs), None)
        if node is None:
            return name
        view = self.views.get(name)
        try:
            if self.cells and view and not self.leads(view) and len(view.groups[at := batch(view.groups)]) == 1:
                self.turned.append(name)
                return self.place(view.base, [view.groups[at], *view.groups[:at], *view.groups[at + 1 :]], node)
            return self.read(name, node, "output")
        except UnsupportedNodeError as error:
            self.refused(replace(node, outputs=(f"{name}/output",)), error)
            return f"{name}/output"

    def plain(self, node: Node) -> None:
        """Emit the same node, on values in the order of axes that it reads, which must have the batch first."""
        inputs = [self.read(name, node) if name in self.views else name for name in node.inputs]
        self.nodes.append(replace(node, inputs=tuple(inputs)))
        for name in filter(None, node.outputs):
            if self.sizes.get(name) is None:
                node.refuse("output", "its shape does not follow from the model's")
            self.views[name] = whole(name, self.sizes[name])

    def moved(self, node: Node, view: View) -> None:
        """Record this view as the node's output."""
        self.views[node.outputs[0]], self.maker[node.outputs[0]] = view, node

    def same(self, node: Node) -> None:
        """Record the node's input as its output."""
        x, y = node.inputs[0], node.outputs[0]
        self.views[y] = self.views[x]
        if x in self.maker:
            self.maker[y] = self.maker[x]
        if x in self.concats:
            self.concats[y] = self.concats[x]

    def numbers(self, node: Node, index: int) -> list[int] | None:
        """A constant input of integers; None if there is none."""
        name = node.inputs[index] if index < len(node.inputs) else ""
        value = self.constants.get(name)
        if name and value is None:
            node.refuse(f"input {index}", "xpnn takes shapes and axes that are constants of the model")
        return None if value is None else value.reshape(-1).tolist()

    def axes(self, node: Node, rank: int) -> list[int] | None:
        """The axes of a Squeeze or a reduction: an input, in early opsets an attribute."""
        given = node.attributes.get("axes") or self.numbers(node, 1)
        return None if given is None else [normalize_axis_index(axis, rank) for axis in given]

    def read(self, name: str, node: Node | None, what: str = "input") -> str:
        """A value with its axes in ONNX's order, for a node, which errors name."""
        view = self.views.get(name)
        if view is None:
            return name
        if node is not None and not self.leads(view):
            node.refuse(what, FIRST)
        return self.place(view.base, view.groups, self.maker.get(name, node))

    def in_front(self, name: str, node: Node, view: View | None = None) -> str:
        """A value, or this view of it, with only the batch in its first axis."""
        view = view or self.views[name]
        return self.place(view.base, front(view)[0], self.maker.get(name, node))

    def place(self, base: str, groups: Sequence[Group], node: Node | None) -> str:
        """A value with these axes: the base itself, or a Layout node's output."""
        view = View(base, tuple(groups))
        if view == whole(base, self.sizes[base]):
            return base
        if view not in self._placed:
            name = self._placed[view] = f"{base}/layout {len(self._placed)}"
            self.declare(name, tuple(map(length, groups)), self.other(view), self.dtypes[base])
            free = [n is None for n in common(self.sizes[name], self.second[name])]
            attributes = {"groups": view.groups, "sizes": self.sizes[base], "free": free, "op": node.op if node else ""}
            self.nodes.append(Node(node.name if node else "", "Layout", (base,), (name,), 0, attributes))
        return self._placed[view]

    def emit(self, node: Node, view: View, shape: Sequence[int], op: str = "", inputs: tuple[str, ...] = ()) -> View:
        """Emit the node on a value whose batch comes first; returns its output with the view's order of axes."""
        name = f"{node.outputs[0]}/batch first"
        self.nodes.append(replace(node, op=op or node.op, inputs=inputs, outputs=(name,)))
        self.describe(name, inputs[0], shape, self.dtypes.get(node.outputs[0], self.dtypes[inputs[0]]))
        return back(view, name, shape)

    def describe(self, name: str, like: str, shape: Sequence[int], dtype: np.dtype) -> None:
        """Declare a value of this shape; an axis is free if it is free in the value ``like``."""
        first, second = self.sizes[like], self.second[like]
        same = [k < len(first) and n == first[k] for k, n in enumerate(shape)]
        self.declare(name, tuple(shape), tuple(second[k] if same[k] else n for k, n in enumerate(shape)), dtype)

    def declare(self, name: str, first: Lengths, second: Lengths, dtype: np.dtype) -> None:
        """Declare a new value with these shapes in the two trials."""
        self.sizes[name], self.second[name], self.dtypes[name] = first, second, dtype

    def other(self, view: View) -> Lengths:
        """The view's shape in the second trial."""
        base = view.base
        return tuple(prod(self.second[base][k] if self.is_free(base, k) else n for k, _, n in g) for g in view.groups)

    def is_free(self, base: str, axis: int) -> bool:
        return self.sizes[base][axis] != self.second[base][axis]

    def as_they_are(self, node: Node) -> bool:
        """Whether the node's inputs are bases themselves, with as many axes as its output."""
        views = [self.views[name] for name in node.inputs if name in self.views]
        rank = len(self.sizes.get(node.outputs[0], ()))
        return all(len(v.groups) == rank and v == whole(v.base, self.sizes[v.base]) for v in views)

    def leads(self, view: View) -> bool:
        """Whether the view's first axis is the batch alone."""
        return bool(view.groups) and len(view.groups[0]) == 1 and view.groups[0][0][0] == 0

    def _path(self, node: Node) -> str:
        return node.name.rpartition("/")[0]
