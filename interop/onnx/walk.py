"""Walk from a graph's output back to its input, layer by layer."""

from collections import Counter
from collections.abc import Callable, Mapping
from itertools import groupby
from typing import TypeAlias

import numpy as np

from ...backend import Array, asarray, to_numpy
from ...layers import Embedding, Layer, Residual
from ...models import Sequential
from .graph import Graph, needed
from .layers import CELLS, check_elementwise
from .node import Node, shortest

Entry: TypeAlias = tuple[tuple[str, ...], Layer]
"""A layer and its path in the network."""

DEPTH = 50
"""The deepest nesting of residual blocks, and of the paths that xpnn wrote."""

JOINS = {"Add", "Concat", "Mul", "Sum", *CELLS}
"""The operators of layers that join several values; recurrent ones join x and an initial state."""

COPIES = 16
"""How often nodes may read each element of the model's constants on average, since each layer has its own copy."""

# fmt: off
SAME_RANK = {
    "Add", "BatchNormalization", "Clip", "Div", "Dropout", "Elu", "Erf", "Gelu", "HardSigmoid", "HardSwish",
    "Identity", "LayerNormalization", "LeakyRelu", "LogSoftmax", "MatMul", "Mul", "PRelu", "Relu", "Sigmoid",
    "Softmax", "Softplus", "Tanh",
}
# fmt: on


class BranchesError(Exception):
    """The model has branches other than residual blocks, or several inputs or outputs, and so becomes a Graph."""


class Reader:
    """Walks from the output back to the input and turns nodes into layers.

    Args:
        graph: the model's graph.
        readers: for each operator, the function that makes the layer. It asks this object for neighbouring nodes.
        product: a function that finds the layer that ends with a Mul of two values, if there is one.
    """

    def __init__(self, graph: Graph, readers: Mapping[str, "LayerReader"], product: "LayerFinder") -> None:
        self.graph, self._readers, self._product = graph, readers, product
        self.producers = {name: node for node in graph.nodes for name in node.outputs if name}
        self._position = {name: i for i, node in enumerate(graph.nodes, 1) for name in node.outputs}
        self.ranks = {name: len(shape) for name, (_, shape) in graph.types.items() if shape is not None}
        # for each value that depends on the input, the last value that all its paths cross; None if there is none
        self._before: dict[str, str | None] = dict.fromkeys(graph.inputs)
        self._inside: set[str] = set()  # values on a branch
        self._follow(graph.nodes)
        self._weights: list[str] = []  # the initialisers that the current layer has read
        self._budget = 2**24 + COPIES * sum(value.nbytes for value in graph.constants.values())
        self._layers: dict[tuple[str, ...], Layer] = {}
        self._read: dict[str, tuple[Layer, str]] = {}
        self.uses = Counter(name for node in graph.nodes for name in node.inputs)

    def _follow(self, nodes: list[Node]) -> None:
        """Find the value where the paths to each value meet, and the ranks that shape inference does not give."""
        for node in needed(nodes, self.graph.outputs):
            if sources := self.sources(node):
                before: str | None = sources[0]
                for source in sources[1:]:
                    before = self._meeting(before, source)
                self._before.update(dict.fromkeys(filter(None, node.outputs), before))
                rank = self.ranks.get(sources[0]) if node.op in SAME_RANK else None
                if rank is not None:
                    self.ranks.setdefault(node.outputs[0], rank)

    def _meeting(self, a: str | None, b: str | None) -> str | None:
        """The value where two branches begin; None if one passes through a branch that has already met another."""
        while a != b and a is not None and b is not None:
            a, b = sorted((a, b), key=lambda name: self._position.get(name, 0))
            if b in self._inside:
                return None
            self._inside.add(b)
            b = self._before[b]
        return a if a == b else None

    def network(self) -> Layer:
        """The layers in sequence, with residual blocks; :class:`BranchesError` if there are other branches."""
        if len(self.graph.inputs) != 1 or len(self.graph.outputs) != 1:
            raise BranchesError
        ((name,), (output,)) = self.graph.inputs, self.graph.outputs
        dtype, _ = self.graph.types[name]
        entries = self.chain(output, name)
        if not entries:
            raise ValueError(f"the model has no layer: its output {output!r} is its input")
        network = self.compose(entries)
        if isinstance(network, Sequential):
            network.input_shape = self.sample_shape(name)
            network.input_dtype = None if dtype.kind == "f" else dtype.name
        return network

    def chain(self, end: str, start: str, depth: int = 0) -> list[Entry]:
        """The layers from the value ``start`` to the value ``end``, inside ``depth`` residual blocks."""
        entries: list[Entry] = []
        while (end := self.origin(end)) != start:
            node = self.producer(end)
            if (self.joins(node) and not self.is_block(node)) or (node.op in CELLS and len(node.outputs) > 1):
                raise BranchesError
            layer, end = self.layer(node, end, depth)
            if self.position(end) < self.position(start):
                node.refuse("inputs", "a branch begins between the nodes of one layer")
            inner = layer.layers if isinstance(layer, Sequential) and not self.graph.from_xpnn else [layer]
            entries += [(self.path(node), each) for each in reversed(inner)]
        return entries[::-1]

    def layer(self, node: Node, value: str, depth: int = 0) -> tuple[Layer, str]:
        """The layer that ends with this node and outputs the value, and the layer's input."""
        if value != node.outputs[0]:
            node.refuse("output 1", "a layer has one output")
        if self.joins(node):
            return self._residual(node, depth + 1)
        return self.alone(node)

    def alone(self, node: Node) -> tuple[Layer, str]:
        """:meth:`layer` by the operator's reader; for a layer that joins several values, with its first input."""
        value = node.outputs[0]
        if value not in self._read:
            reader = self._readers.get(node.op)
            if reader is None:
                node.refuse("operator", "xpnn has no layer for it")
            with node.named():
                layer, end = reader(self, node)
                layer = self._shared(layer)
            self.check_input(node, layer, end)
            self._read[value] = layer, end
        return self._read[value]

    def origin(self, value: str) -> str:
        """The value before any Identity nodes."""
        while value in self.producers and self.producers[value].op == "Identity":
            value = self.producers[value].inputs[0]
        return value

    def output(self, value: str) -> str:
        """The name under which a node is read: the first output of a recurrent node with its last state."""
        node = self.producers.get(value)
        return value if node is None or node.op not in CELLS else node.outputs[0]

    def producer(self, value: str) -> Node:
        """The node that computes the value; an error if it does not depend on the model's input."""
        if value not in self._before:
            raise ValueError(f"the value {value!r} does not depend on the model's input")
        return self.producers[value]

    def position(self, value: str) -> int:
        """The position in the file of the node that computes the value; 0 for an input."""
        return self._position.get(value, 0)

    def sample_shape(self, name: str) -> tuple[int, ...] | None:
        """The shape of an input without the batch; None if an axis is free."""
        shape = self.lengths(name)
        sample = tuple(size for size in shape[1:] if size)
        return sample if shape and len(sample) == len(shape) - 1 else None

    def dtype(self, name: str) -> str:
        """The dtype in which a layer that reads the value computes."""
        dtype, _ = self.graph.types.get(name, (None, None))
        return "float64" if dtype == np.float64 else "float32"

    def lengths(self, name: str) -> tuple[int | None, ...]:
        """The lengths of a value's axes, None for a free one; () if they are unknown."""
        return self.graph.types.get(name, (None, None))[1] or ()

    def joins(self, node: Node) -> bool:
        """Whether the node joins several values that depend on the input, and does not end one layer's nodes."""
        if node.op not in JOINS or len(self.sources(node)) < 2:
            return False
        return node.op != "Mul" or self._product(self, node) is None

    def is_block(self, node: Node) -> bool:
        """Whether such a node ends a residual block; in files that xpnn wrote, that of the layers below its path."""
        if node.op != "Add" or self._before[node.outputs[0]] is None or len(set(map(self.origin, node.inputs))) == 1:
            return False
        path, inner = self.path(node), [self.producers[name] for name in node.inputs if name in self.producers]
        return not self.graph.from_xpnn or any(self.path(one)[: len(path) + 1][:-1] == path for one in inner)

    def _residual(self, node: Node, depth: int) -> tuple[Layer, str]:
        check_elementwise(node)
        start = self._before[node.outputs[0]] or ""
        if depth > DEPTH:
            node.refuse("inputs", "xpnn reads residual blocks that nest at most 50 deep")
        body, shortcut = (self.chain(value, start, depth) for value in node.inputs)
        if not body:
            body, shortcut = shortcut, body
        path = len(self.path(node)) + 1
        return Residual(self.compose(body, path), self.compose(shortcut, path) if shortcut else None), start

    def check_input(self, node: Node, layer: Layer, value: str) -> None:
        dtype, _ = self.graph.types.get(value, (None, None))
        if dtype is not None and dtype.kind != "f" and not isinstance(layer, Embedding):
            node.refuse("input 0", "xpnn's layers compute in float32 or float64", dtype.name)

    def _shared(self, layer: Layer) -> Layer:
        """The existing layer if the same constants have already made the same layer, else this one."""
        names, self._weights = sorted(self._weights), []
        before = self._layers.setdefault((repr(layer), *names), layer) if names else layer
        # the same constants may have been read differently: transposed or scaled
        arrays, others = ({**each.params, **each.buffers} for each in (layer, before))
        same = all(to_numpy(a).tobytes() == to_numpy(others[key]).tobytes() for key, a in arrays.items())
        return before if same else layer

    def path(self, node: Node) -> tuple[str, ...]:
        """The layer's path, from a node name that xpnn wrote."""
        path = tuple(filter(None, node.name.rpartition("/")[0].split("."))) if self.graph.from_xpnn else ()
        if len(path) > DEPTH:
            node.refuse("name", "xpnn reads networks that nest at most 50 deep", len(path))
        return path

    def compose(self, entries: list[Entry], depth: int = 0) -> Layer:
        """The layers as one network; neighbours whose paths agree at this depth form a nested Sequential."""
        if not self.graph.from_xpnn:
            return entries[0][1] if depth and len(entries) == 1 else Sequential(*(layer for _, layer in entries))
        if len(entries) == 1 and len(entries[0][0]) <= depth:
            return entries[0][1]
        parts: list[Layer] = []
        for part, group in groupby(entries, key=lambda entry: entry[0][depth : depth + 1]):
            inner = list(group)
            parts += [self.compose(inner, depth + 1)] if part else [layer for _, layer in inner]
        return Sequential(*parts)

    def behind(self, value: str, *ops: str) -> list[Node]:
        """The nodes that compute this value, the last one first, if they have these operators; else an empty list."""
        found: list[Node] = []
        for op in ops:
            node = self.producers.get(value)
            if node is None or node.op != op:
                return []
            found.append(node)
            value = next(iter(self.sources(node)), "")
        return found

    def operand(self, node: Node) -> int:
        """For a node that reads a value and a constant, the index of the constant."""
        return 1 - node.inputs.index(self.sources(node)[0])

    def sources(self, node: Node) -> list[str]:
        """The node's inputs that depend on the model's input."""
        return [name for name in node.inputs if self.depends(name)]

    def depends(self, value: str) -> bool:
        """Whether the value depends on the model's input."""
        return value in self._before

    def constant(self, node: Node, index: int) -> np.ndarray | None:
        """The value of an input on the host; None if it is omitted or depends on the model's input."""
        return self.graph.constants.get(node.inputs[index]) if index < len(node.inputs) else None

    def weight(self, node: Node, index: int, *axes: int) -> Array:
        """The value of an input that becomes a parameter, with this number of axes; the file may hold it transposed."""
        if len(node.inputs) <= index:
            node.refuse(f"input {index}", "xpnn's layer needs it")
        name = node.inputs[index]
        turned = self.producers.get(name)
        if turned is not None and turned.op == "Transpose" and turned.options("perm").perm in (None, [1, 0]):
            name = turned.inputs[0]
        value = self.graph.constants.get(name)
        if value is None:
            node.refuse(f"input {index}", "xpnn's parameters are constants of the model")
        if value.dtype == np.float16:  # not supported by xpnn's layers
            value = value.astype(np.float32)
        if value.dtype not in (np.float32, np.float64):
            node.refuse(f"input {index}", "xpnn's parameters are float32 or float64", value.dtype.name)
        if value.ndim not in axes or not value.size:
            node.refuse(f"input {index}", "no layer of xpnn's has a weight of this shape", value.shape)
        self._weights.append(name)
        self._budget -= value.nbytes
        if self._budget < 0:
            node.refuse(f"input {index}", "the nodes read the model's constants more than 16 times over")
        return asarray(value if turned is None else value.T, value.dtype)

    def optional_weight(self, node: Node, index: int, *axes: int) -> Array | None:
        return self.weight(node, index, *axes) if len(node.inputs) > index and node.inputs[index] else None

    def number(self, node: Node, index: int, usual: float) -> float | None:
        """A scalar constant, or ``usual`` if both are equal in float32; None if it is not a scalar constant."""
        value = self.constant(node, index)
        if value is None or value.size != 1 or value.ndim > self.ranks.get(self.sources(node)[0], 1):
            return None  # in a product, an array of one element and more axes would add axes to the other factor
        number = float(value.reshape(()))
        if value.dtype != np.float32:
            return number
        return shortest(number, usual)


LayerReader: TypeAlias = Callable[[Reader, Node], tuple[Layer, str]]
"""Maps the last node of a layer's nodes to the layer and the name of its input."""

LayerFinder: TypeAlias = Callable[[Reader, Node], tuple[Layer, str] | None]
"""The same, or None if no layer ends there."""
