"""Builds an ONNX graph layer by layer."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import onnx
from onnx import helper

from ...backend import to_numpy, xp
from ...layers import Embedding, Layer, Residual
from ...layers.base import several
from ...models import Graph, Sequential

Shape: TypeAlias = tuple[int | None, ...]
"""The shape of one sample, with None for an axis of any length."""


class Writer:
    """Builds a graph's nodes and constants layer by layer.

    A node's name consists of its layer's dotted path, its operator and a count: ``"0.2/Conv_1"``. Initialisers have the
    parameters' own names, so the file holds the parameters of a layer that occurs twice only once.

    Args:
        model: the network.
        dtype: the dtype of all values but the indices of an Embedding.
        ranks: the number of axes of each input, by its name.
        writers: for each layer, the function that appends its nodes, and one that gives its input's shape.
        spans: for inputs whose sequences have lengths, the name of the lengths.

    Attributes:
        dtype: the dtype of all values but the indices of an Embedding.
        rank: the number of axes of the current layer's input; a layer that changes it sets its output's.
        span: the name of the lengths of the current layer's input sequences, "" if there are none.
    """

    def __init__(
        self, model: Layer, dtype: np.dtype, ranks: dict[str, int], writers: "Writers", spans: Mapping[str, str]
    ) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self.dtype, self.rank, self._ranks, self._writers = dtype, 0, dict(ranks), writers
        self.span, self._spans = "", dict(spans)
        self._owners = {id(leaf): path for path, leaf in model.leaves()}
        self._path = ""
        self._count: Counter[str] = Counter()

    def layer(self, layer: Layer, path: str, x: Any) -> Any:
        """Write the layer at this path, which reads x; returns the name of its output, or the tuple of several."""
        write, _ = self._writers.get(_kind(layer), (None, None))
        if write is None:
            raise TypeError(f"export: {type(layer).__name__} is not a layer of xpnn, so it has no operator in ONNX")
        self._path, self.rank = path, self._ranks[several(x)[0]]
        self.span, kept = self._lengths(layer, x)
        y = write(self, layer, x)
        for value in several(y):  # a child's outputs have theirs already
            self._ranks.setdefault(value, self.rank)
            self._spans.setdefault(value, kept)
        if not isinstance(layer, Sequential | Graph | Residual):
            return y
        outputs = tuple(map(self._masked, several(y)))
        return outputs if isinstance(y, tuple) else outputs[0]

    def stands_for(self, value: str, name: str) -> str:
        """Let a value replace an input, with its rank and lengths."""
        self._ranks[value], self._spans[value] = self._ranks[name], self._spans.get(name, "")
        return value

    def _lengths(self, layer: Layer, x: Any) -> tuple[str, str]:
        """The names of the lengths that a layer takes, and of its output's, as for :meth:`Layer.with_lengths`."""
        span = next(filter(None, (self._spans.get(value) for value in several(x))), "")
        if not span or isinstance(layer, Sequential | Graph):
            return span, ""  # its children decide what becomes of the lengths
        first = isinstance(next(leaf for _, leaf in layer.leaves()), Embedding)
        example = xp.zeros((1,) * self.rank, dtype="int64" if first else self.dtype)
        options, kept = layer.with_lengths((example, example) if layer.joins else example, span)  # type: ignore[arg-type]
        return options.get("lengths", ""), kept or ""  # type: ignore[return-value]

    def _masked(self, y: str) -> str:
        """y with 0 after each sequence's end, as by :func:`without_padding`."""
        span, rank = self._spans.get(y), self._ranks[y]
        if not span:
            return y
        zero, one = (self.constant(f"/{n}", n, "int64") for n in (0, 1))
        steps = self.node("Range", zero, self.node("Gather", self.node("Shape", y), one), one)
        alive = self.node("Less", steps, self.node("Unsqueeze", span, self.axis(1)))  # (N, T)
        if rank > 2:
            alive = self.node("Unsqueeze", alive, self.constant(f"/axes_2_{rank}", range(2, rank), "int64"))
        z = self.node("Where", alive, y, self.constant("/padding", 0))
        self._ranks[z], self._spans[z] = rank, span
        return z

    def child(self, layer: Layer, name: str, x: Any) -> Any:
        """Write a child of the layer that is being written."""
        path = self._path
        y = self.layer(layer, f"{path}.{name}" if path else name, x)
        self._path = path
        return y

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; returns the name of its output."""
        return self.several(op, inputs, (0,), **attributes)[0]

    def several(self, op: str, inputs: Sequence[str], outputs: Sequence[int], **attributes: Any) -> list[str]:
        """Add a node; returns the names of its outputs with these indices."""
        name = f"{self._path}/{op}"
        self._count[name] += 1
        name += f"_{self._count[name]}"
        values = {index: f"{name}.out" + f"_{index}" * (index != outputs[0]) for index in outputs}
        given = [values.get(index, "") for index in range(max(outputs) + 1)]
        self.nodes.append(helper.make_node(op, inputs, given, name, **attributes))
        return [values[index] for index in outputs]

    def vector(self, value: str) -> str:
        """Declare that the value is (N, features), whatever the rank of the layer's other outputs."""
        self._ranks[value], self._spans[value] = 2, ""
        return value

    def rename(self, names: dict[str, str]) -> None:
        """Rename values, wherever they are written or read."""
        for node in self.nodes:
            for values in (node.input, node.output):
                values[:] = [names.get(value, value) for value in values]

    def constant(self, name: str, value: Any, dtype: Any = None) -> str:
        """Add an initialiser from host data; returns its name."""
        array = np.array(value, dtype or self.dtype, order="C")
        if self.constants.setdefault(name, array).shape != array.shape:
            raise ValueError(f"export: {name} would need two shapes in the file, for inputs of different ranks")
        return name

    def own(self, name: str, value: Any, dtype: Any = None) -> str:
        """Add an initialiser of the layer that is being written; returns its name."""
        return self.constant(f"{self._path}/{name}", value, dtype)

    def number(self, value: float) -> str:
        """Add a scalar of the layer that is being written, named after its value; returns its name."""
        return self.own(str(value), value)

    def weight(self, layer: Layer, key: str, value: Any = None) -> str:
        """Add an initialiser named after the layer's parameter or buffer ``key``, by default with its value."""
        owner = self.owner(layer)
        if value is None:
            value = to_numpy(layer.params[key] if key in layer.params else layer.buffers[key])
        return self.constant(f"{owner}.{key}" if owner else key, value)

    def owner(self, layer: Layer) -> str:
        """The path that names the layer's parameters."""
        return self._owners[id(layer)]

    def bias(self, layer: Layer) -> list[str]:
        """The initialiser of the layer's bias, if it has one."""
        return [self.weight(layer, "b")] if "b" in layer.params else []

    def axis(self, axis: int) -> str:
        return self.constant(f"/axes_{axis}", [axis], "int64")


def _kind(layer: Layer) -> type[Layer]:
    """The layer's class; for a model that adds nothing to a Sequential or a Graph, that class."""
    kinds = (kind for kind in (Sequential, Graph) if isinstance(layer, kind) and type(layer).forward is kind.forward)
    return next(kinds, type(layer))


NEAREST: dict[str, Any] = {
    "mode": "nearest",
    "coordinate_transformation_mode": "asymmetric",  # pixel i lies at scale * i
    "nearest_mode": "floor",
}
"""The attributes of a Resize that repeats pixels."""

LayerWriter: TypeAlias = Callable[[Writer, Any, Any], Any]
"""Appends the nodes of a layer whose input has this name; returns the name of the output. Several inputs or outputs are
tuples of names."""

Writers: TypeAlias = Mapping[type[Layer], tuple[LayerWriter, Callable[[Any], Shape] | None]]
"""For each layer, two functions: the first appends its nodes, which read x, and returns the name of the output; the
second returns the shape of one sample, () if it may have any rank. It is None if the input has the shape of the output,
or of the children's inputs.
"""
