"""Builds an ONNX graph layer by layer."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import onnx
from onnx import helper

from ...backend import to_numpy
from ...layers import Layer
from ...layers.base import several
from ...models import Graph, Sequential

Shape: TypeAlias = tuple[int | None, ...]
"""The shape of one sample, with None for an axis of any length."""


class Writer:
    """Builds a graph's nodes and constants layer by layer.

    A node's name consists of its layer's dotted path, its operator and a count: ``"0.2/Conv_1"``. Initialisers have the
    parameters' own names, so a layer that occurs twice has its parameters in the file once.

    Args:
        model: the network.
        dtype: of all values but the indices of an Embedding.
        ranks: the number of axes of each input, by its name.
        writers: for each layer, the function that appends its nodes, and another.

    Attributes:
        dtype: of all values but the indices of an Embedding.
        rank: the number of axes of what the current layer reads; a layer that changes it sets that of its output.
    """

    def __init__(self, model: Layer, dtype: np.dtype, ranks: dict[str, int], writers: "Writers") -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self.dtype, self.rank, self._ranks, self._writers = dtype, 0, dict(ranks), writers
        self._owners = {id(leaf): path for path, leaf in model.leaves()}
        self._path = ""
        self._count: Counter[str] = Counter()

    def layer(self, layer: Layer, path: str, x: Any) -> Any:
        """Write the layer at this path, which reads x; returns the name of its output, or the tuple of several."""
        write, _ = self._writers.get(_kind(layer), (None, None))
        if write is None:
            raise TypeError(f"export: {type(layer).__name__} is none of xpnn's layers, so it has no operator in ONNX")
        self._path, self.rank = path, self._ranks[several(x)[0]]
        y = write(self, layer, x)
        for value in several(y):  # those of a child's have their own
            self._ranks.setdefault(value, self.rank)
        return y

    def child(self, layer: Layer, name: str, x: Any) -> Any:
        """Write a child of the layer that is being written."""
        path = self._path
        y = self.layer(layer, f"{path}.{name}" if path else name, x)
        self._path = path
        return y

    def node(self, op: str, *inputs: str, output: int = 0, **attributes: Any) -> str:
        """Add a node; returns the name of its output with this index."""
        name = f"{self._path}/{op}"
        self._count[name] += 1
        name += f"_{self._count[name]}"
        value = f"{name}.out"
        self.nodes.append(helper.make_node(op, inputs, [""] * output + [value], name, **attributes))
        return value

    def rename(self, names: dict[str, str]) -> None:
        """Give values other names, wherever they are written or read."""
        for node in self.nodes:
            for values in (node.input, node.output):
                values[:] = [names.get(value, value) for value in values]

    def constant(self, name: str, value: Any, dtype: Any = None) -> str:
        """Add an initialiser from host data; returns its name."""
        array = np.array(value, dtype or self.dtype, order="C")
        if self.constants.setdefault(name, array).shape != array.shape:
            raise ValueError(f"export: {name} would stand in the file in two shapes, for inputs of different ranks")
        return name

    def number(self, value: float) -> str:
        """Add a scalar of the layer that is being written; returns its name."""
        return self.constant(f"{self._path}/{value}", value)

    def weight(self, layer: Layer, key: str, value: Any = None) -> str:
        """Add an initialiser named after the layer's parameter or buffer ``key``, by default with its value."""
        owner = self.owner(layer)
        if value is None:
            value = to_numpy(layer.params[key] if key in layer.params else layer.buffers[key])
        return self.constant(f"{owner}.{key}" if owner else key, value)

    def owner(self, layer: Layer) -> str:
        """The path under which the layer has its parameters."""
        return self._owners[id(layer)]

    def bias(self, layer: Layer) -> list[str]:
        """The initialiser of the layer's bias, if it has one."""
        return [self.weight(layer, "b")] if "b" in layer.params else []

    def axis(self, axis: int) -> str:
        return self.constant(f"/axes_{axis}", [axis], "int64")


def _kind(layer: Layer) -> type[Layer]:
    """Its class; of a model that adds nothing to a Sequential's or a Graph's layers, that one."""
    kinds = (kind for kind in (Sequential, Graph) if isinstance(layer, kind) and type(layer).forward is kind.forward)
    return next(kinds, type(layer))


LayerWriter: TypeAlias = Callable[[Writer, Any, Any], Any]
"""Appends the nodes of a layer that reads the value of this name; returns the name of the output. Of a layer that reads
or gives several values, these are tuples of names."""

Writers: TypeAlias = Mapping[type[Layer], tuple[LayerWriter, Callable[[Any], Shape] | None]]
"""For each layer, two functions: the first appends its nodes, reading x, and returns the name of the output; the second
gives the shape of one sample, () if that may have any rank. None: the input's shape is the output's, or the children's.
"""
