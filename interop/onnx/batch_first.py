"""An ONNX graph as one of values whose batch comes first, as xpnn's layers have it.

Transpose, Reshape, Squeeze and their kind move no values: of what they give, it is only kept where its axes lie. Where
another node reads it in an order or shape that no value has, a Layout node comes before. Recurrent nodes read and give
sequences batch first, and so exporters' transpositions around them cancel. An input that such a node reads as it is,
(T, N, features), or as an initial state, (layers, N, H), is one of the network's with its batch in front.
"""

import warnings
from collections.abc import Callable, Container, Sequence
from dataclasses import replace
from math import prod
from typing import TypeAlias

import numpy as np

from .axes import Group, MisfitError, View, back, batch, length, transposed, whole
from .batch_axes import batch_axes
from .graph import Graph, Lengths
from .node import Node, UnsupportedNodeError

Rule: TypeAlias = Callable[["BatchFirst", Node], None]

ONE = "a layer has one output"
FIRST = "the batch comes first in xpnn"


def batch_first(graph: Graph, rules: dict[str, Rule], known: Container[str]) -> Graph:
    """The graph of the nodes that are needed; unchanged if the shapes of its values are not known."""
    if not graph.sizes:
        return graph
    pass_ = BatchFirst(graph)
    for node in pass_.graph.nodes:
        try:
            with node.named():
                pass_.take(node, rules, known)
        except UnsupportedNodeError as error:  # which is raised, with all others, where layers are read
            pass_.refused(node, error)
    outputs = [pass_.output(name) for name in graph.outputs]
    if pass_.turned:
        warnings.warn(
            f"load: in the file the batch is not the first axis of {', '.join(pass_.turned)}; in the network it is",
            stacklevel=3,
        )
    nodes = needed(pass_.nodes, outputs)
    return replace(graph, nodes=nodes, outputs=outputs, types=pass_.types, constants=pass_.constants)


def needed(nodes: Sequence[Node], outputs: Sequence[str]) -> list[Node]:
    """The nodes on which the outputs depend."""
    read, found = set(outputs), list[Node]()
    for node in reversed(nodes):
        if not read.isdisjoint(node.outputs):
            read.update(node.inputs)
            found.append(node)
    return found[::-1]


class BatchFirst:
    """The nodes so far, and where the axes of each value lie.

    Attributes:
        views: of each value that depends on an input.
        maker: the last node that moved a value's axes.
        sizes, second: the shape of each value in both trials.
        cells: for all states of a recurrent node, the last ones, and the numbers of directions and of hidden units.
        concats: for what a Concat gives, along which axis of which values.
        turned: the inputs and outputs that have their batch at another axis in the file.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph, self.constants, self.types = graph, dict(graph.constants), dict(graph.types)
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
        """Read the input with its batch in front; to the nodes it is a view of that."""
        self.turned.append(name)
        seen, order = f"{name}/file", [axis, *(k for k in range(len(self.sizes[name])) if k != axis)]
        for shapes in (self.sizes, self.second):
            shapes[seen], shapes[name] = shapes[name], tuple(shapes[name][k] for k in order)
        self.types[seen], (dtype, shape) = self.types[name], self.types[name]
        self.types[name] = dtype, None if shape is None else tuple(shape[k] for k in order)
        self.views[seen] = transposed(whole(name, self.sizes[name]), [order.index(k) for k in range(len(order))])
        self.views[name] = whole(name, self.sizes[name])
        nodes = [replace(n, inputs=tuple(seen if one == name else one for one in n.inputs)) for n in self.graph.nodes]
        self.graph = replace(self.graph, nodes=nodes)

    def take(self, node: Node, rules: dict[str, Rule], known: Container[str]) -> None:
        """Emit what the node becomes."""
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
            if others:  # which is an error only where one is read
                self.refused(replace(node, outputs=others), UnsupportedNodeError(node.name, node.op, "output 1", ONE))
            for name in (name for name in node.outputs if name in self.views and name not in self.sizes):
                view = self.views[name]  # of an operator that ONNX infers no shape for
                self.sizes[name], self.second[name] = tuple(map(length, view.groups)), self.other(view)
                self.types[name] = self.types[view.base][0], None
        else:
            self.nodes.append(node)

    def refused(self, node: Node, error: UnsupportedNodeError) -> None:
        """A node that stands for one that is not supported."""
        bases = tuple(self.views[name].base for name in node.inputs if name in self.views)
        for name in filter(None, node.outputs):
            self.nodes.append(Node(error.node, "Refused", bases, (name,), node.opset, {"error": error}))
            self.sizes.setdefault(name, self.sizes[bases[0]])
            self.second.setdefault(name, self.second[bases[0]])
            self.types.setdefault(name, self.types[bases[0]])
            self.views[name] = whole(name, self.sizes[name])

    def output(self, name: str) -> str:
        """An output of the model with its axes."""
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
        """The same node, on values in the order of axes that it reads; the batch is to come first."""
        inputs = [self.read(name, node) if name in self.views else name for name in node.inputs]
        self.nodes.append(replace(node, inputs=tuple(inputs)))
        for name in filter(None, node.outputs):
            if self.sizes.get(name) is None:
                node.refuse("output", "its shape does not follow from the model's")
            self.views[name] = whole(name, self.sizes[name])

    def read(self, name: str, node: Node | None, what: str = "input") -> str:
        """A value with the axes that it has in ONNX, for a node, which is named in errors."""
        view = self.views.get(name)
        if view is None:
            return name
        if node is not None and not self.leads(view):
            node.refuse(what, FIRST)
        return self.place(view.base, view.groups, self.maker.get(name, node))

    def place(self, base: str, groups: Sequence[Group], node: Node | None) -> str:
        """A value of these axes: the base itself, or what a Layout node gives."""
        view = View(base, tuple(groups))
        if view == whole(base, self.sizes[base]):
            return base
        if view not in self._placed:
            name = self._placed[view] = f"{base}/layout {len(self._placed)}"
            free = [any(self.is_free(base, axis) for axis, _, _ in group) for group in groups]
            attributes = {"groups": view.groups, "sizes": self.sizes[base], "free": free, "op": node.op if node else ""}
            self.nodes.append(Node(node.name if node else "", "Layout", (base,), (name,), 0, attributes))
            self.sizes[name], self.second[name] = tuple(map(length, groups)), self.other(view)
            known = (None if f else n for f, n in zip(free, self.sizes[name], strict=True))
            self.types[name] = self.types[base][0], tuple(known)
        return self._placed[view]

    def emit(self, node: Node, view: View, shape: Sequence[int], op: str = "", inputs: tuple[str, ...] = ()) -> View:
        """The node on a value whose batch comes first: where the axes of the view lie in what it gives."""
        name = f"{node.outputs[0]}/batch first"
        self.nodes.append(replace(node, op=op or node.op, inputs=inputs, outputs=(name,)))
        self.describe(name, inputs[0], shape, self.types.get(node.outputs[0], self.types[inputs[0]])[0])
        return back(view, name, shape)

    def describe(self, name: str, like: str, shape: Sequence[int], dtype: np.dtype) -> None:
        """A new value of this shape; an axis is free if it is in the value that it is made of."""
        same = [k < len(self.sizes[like]) and n == self.sizes[like][k] for k, n in enumerate(shape)]
        free = [same[k] and self.is_free(like, k) for k in range(len(shape))]
        self.sizes[name] = tuple(shape)
        self.second[name] = tuple(self.second[like][k] if free[k] else n for k, n in enumerate(shape))
        self.types[name] = dtype, tuple(None if f else n for f, n in zip(free, shape, strict=True))

    def other(self, view: View) -> Lengths:
        """The view's shape in the second trial."""
        base = view.base
        return tuple(prod(self.second[base][k] if self.is_free(base, k) else n for k, _, n in g) for g in view.groups)

    def is_free(self, base: str, axis: int) -> bool:
        shape = self.types[base][1]
        return shape is None or shape[axis] is None

    def as_they_are(self, node: Node) -> bool:
        """Whether the values that the node reads are bases themselves, of as many axes as what it gives."""
        views = [self.views[name] for name in node.inputs if name in self.views]
        rank = len(self.sizes.get(node.outputs[0], ()))
        return all(len(v.groups) == rank and v == whole(v.base, self.sizes[v.base]) for v in views)

    def leads(self, view: View) -> bool:
        """Whether the batch is the view's first axis, alone."""
        return bool(view.groups) and len(view.groups[0]) == 1 and view.groups[0][0][0] == 0

    def _path(self, node: Node) -> str:
        return node.name.rpartition("/")[0]
