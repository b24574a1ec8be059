"""From a graph's output back to its input, layer by layer."""

from collections.abc import Callable, Mapping
from itertools import groupby
from typing import TypeAlias

import numpy as np

from ...backend import Array, asarray, to_numpy
from ...layers import Layer
from ...models import Sequential
from .node import Graph, Node, shortest

Entry: TypeAlias = tuple[tuple[str, ...], Layer]
"""A layer and its path in the network."""


class Reader:
    """Walks from the output back to the input and turns nodes into layers.

    Args:
        graph: of the model.
        ranks: the number of axes of each value, if known.
        readers: for each operator, the function that makes the layer. It queries this object for neighbouring nodes.
    """

    def __init__(self, graph: Graph, ranks: dict[str, int], readers: Mapping[str, "LayerReader"]) -> None:
        self.graph, self.ranks = graph, ranks
        self._readers = readers
        self.producers = {name: node for node in graph.nodes for name in node.outputs if name}
        self._position = {name: i for i, node in enumerate(graph.nodes) for name in node.outputs}
        self._dynamic = set(graph.inputs)
        for node in graph.nodes:
            if not self._dynamic.isdisjoint(node.inputs):
                self._dynamic.update(filter(None, node.outputs))
        self._weights: list[str] = []  # the initialisers that the current layer has read
        self._layers: dict[tuple[str, ...], Layer] = {}

    def network(self) -> Layer:
        inputs, outputs = self.graph.inputs, self.graph.outputs
        if len(inputs) != 1 or len(outputs) != 1:
            raise ValueError(f"expected a model with one input and one output, got {list(inputs)} and {outputs}")
        ((name, (dtype, shape)),) = inputs.items()
        network = self.compose(self.chain(outputs[0], name))
        if isinstance(network, Sequential):
            sample = tuple(size for size in (shape or ())[1:] if size is not None)
            network.input_shape = sample if shape and len(sample) == len(shape) - 1 else None
            network.input_dtype = None if dtype.kind == "f" else dtype.name
        return network

    def chain(self, end: str, start: str) -> list[Entry]:
        """The layers that lead from the value ``start`` to the value ``end``."""
        entries: list[Entry] = []
        while end != start:
            node = self.producers.get(end)
            if node is None:
                raise ValueError(f"the value {end!r} does not depend on the model's input {start!r}")
            if node.op == "Identity":
                end = node.inputs[0]
                continue
            reader = self._readers.get(node.op)
            if reader is None:
                node.refuse("operator", "xpnn has no layer for it")
            if end != node.outputs[0]:
                node.refuse("output 1", "a layer has one output")
            layer, end = reader(self, node)
            entries.append((self.path(node), self.shared(layer)))
        return entries[::-1]

    def shared(self, layer: Layer) -> Layer:
        """The existing layer if the same constants have made the same layer before, else this one."""
        names, self._weights = sorted(self._weights), []
        before = self._layers.setdefault((repr(layer), *names), layer) if names else layer
        # the same constants may have been read differently: transposed or scaled
        same = all(to_numpy(a).tobytes() == to_numpy(before.params[key]).tobytes() for key, a in layer.params.items())
        return before if same else layer

    def path(self, node: Node) -> tuple[str, ...]:
        """The layer's path, from a node name that xpnn wrote."""
        return tuple(filter(None, node.name.rpartition("/")[0].split(".")))

    def compose(self, entries: list[Entry], depth: int = 0) -> Layer:
        """The layers as one network; neighbours whose paths agree at this depth form a Sequential of their own."""
        if not self.graph.from_xpnn:
            return entries[0][1] if depth and len(entries) == 1 else Sequential(*(layer for _, layer in entries))
        if len(entries) == 1 and len(entries[0][0]) <= depth:
            return entries[0][1]
        parts: list[Layer] = []
        for part, group in groupby(entries, key=lambda entry: entry[0][depth : depth + 1]):
            inner = list(group)
            parts += [self.compose(inner, depth + 1)] if part else [layer for _, layer in inner]
        return Sequential(*parts)

    def ancestors(self, value: str) -> set[str]:
        """The value and all values that it depends on, as far as they depend on the model's input."""
        found: set[str] = set()
        todo = [value]
        while todo:
            name = todo.pop()
            if name in self._dynamic and name not in found:
                found.add(name)
                todo += self.producers[name].inputs if name in self.producers else ()
        return found

    def fork(self, a: str, b: str) -> str:
        """The last value on which both depend."""
        return max(self.ancestors(a) & self.ancestors(b), key=lambda name: self._position.get(name, -1))

    def behind(self, value: str, *ops: str) -> list[Node]:
        """The nodes that compute this value, the last one first, if they are of these operations, else none.

        Args:
            ops: an operator for each node, or several, as in ``"RNN|LSTM|GRU"``.
        """
        found: list[Node] = []
        for op in ops:
            node = self.producers.get(value)
            if node is None or node.op not in op.split("|"):
                return []
            found.append(node)
            value = next(iter(self.sources(node)), "")
        return found

    def sources(self, node: Node) -> list[str]:
        """The node's inputs that depend on the model's input."""
        return [name for name in node.inputs if name in self._dynamic]

    def constant(self, node: Node, index: int) -> np.ndarray | None:
        """The value of an input on the host; None if it is omitted or depends on the model's input."""
        return self.graph.constants.get(node.inputs[index]) if index < len(node.inputs) else None

    def weight(self, node: Node, index: int) -> Array:
        """The value of an input that becomes a parameter; the file may hold it transposed."""
        if len(node.inputs) <= index:
            node.refuse(f"input {index}", "xpnn's layer needs it")
        name = node.inputs[index]
        turned = self.producers.get(name)
        if turned is not None and turned.op == "Transpose" and turned.options("perm").perm in (None, [1, 0]):
            name = turned.inputs[0]
        value = self.graph.constants.get(name)
        if value is None:
            node.refuse(f"input {index}", "xpnn's parameters are constants of the model")
        if value.dtype not in (np.float32, np.float64):
            node.refuse(f"input {index}", "xpnn's parameters are float32 or float64", value.dtype.name)
        self._weights.append(name)
        return asarray(value if turned is None else value.T, value.dtype)

    def optional_weight(self, node: Node, index: int) -> Array | None:
        return self.weight(node, index) if len(node.inputs) > index and node.inputs[index] else None

    def number(self, node: Node, index: int, usual: float) -> float | None:
        """A scalar constant, or ``usual`` if both are equal in float32; None if it is not a scalar constant."""
        value = self.constant(node, index)
        if value is None or value.size != 1:
            return None
        number = float(value.reshape(()))
        if value.dtype != np.float32:
            return number
        return usual if np.float32(usual) == np.float32(number) else shortest(number)


LayerReader: TypeAlias = Callable[[Reader, Node], tuple[Layer, str]]
"""Maps the last node of a layer's nodes to the layer and the name of the value that it reads."""
