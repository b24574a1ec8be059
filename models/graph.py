"""Layers in a graph: networks that branch and join, with several inputs and outputs."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self, TypeAlias

from ..backend import Array, xp
from ..layers import Backward, Composite, Embedding, Layer
from ..layers.base import of_several, several
from ..layers.lengths import Lengths, common, may_have_steps, without_padding
from ..layers.parameters import vector_of
from .plan import Plan
from .table import summarised

Node: TypeAlias = tuple[Layer, *tuple[str, ...]]
"""A layer and the names of its inputs."""

Blank: TypeAlias = tuple[tuple[int, ...], Any]
"""The shape and dtype of a value."""

Spans: TypeAlias = dict[str, Lengths | None]
"""The lengths of each value's sequences, None for one without them."""


def in_order(graphs: Sequence["Graph"], x: Any, needs_dx: bool, lengths: Any = None) -> tuple[Any, Backward]:
    """Every reader of a node gets the node's output; in backward, the readers' gradients for it are summed."""
    (graph,) = graphs
    steps: list[tuple[dict[str, Blank], Sequence[str], Backward]] = []
    needed = dict.fromkeys(graph.inputs, needs_dx)

    def differentiated(name: str, layer: Layer, x: Any, options: dict[str, Any]) -> Array:
        reads = graph.nodes[name][1:]
        needs = any(needed[read] for read in reads)
        y, step = layer.forward(x, needs, **options)
        given = {key: (one.shape, one.dtype) for key, one in values_of(name, layer, y).items()}
        # no gradient is needed before the first trainable parameters
        needed.update(dict.fromkeys(given, needs or layer.learns))
        if needed[name]:
            steps.append((given, [read if needed[read] else "" for read in reads] if needs else [], step))
        return y

    def backward(dy: Any) -> Any:
        gradients: dict[str, Any] = dict(zip(graph.outputs, graph.padded(dy, spans), strict=True))
        for given, reads, step in reversed(steps):
            if not gradients.keys().isdisjoint(given):  # else none of its readers needs a gradient
                for key, (shape, dtype) in given.items():
                    if key not in gradients:
                        gradients[key] = xp.zeros(shape, dtype)
                dx = several(step(of_several([gradients.pop(key) for key in given])))
                for read, d in zip(reads, dx, strict=bool(reads)):
                    if read and d is not None:
                        gradients[read] = gradients[read] + d if read in gradients else d
        of_inputs = tuple(gradients.get(name) for name in graph.inputs)
        return of_inputs if graph.joins else of_inputs[0]

    y, spans = graph.run(x, lengths, differentiated)
    return y, backward


def inferred_in_order(graphs: Sequence["Graph"], x: Any, needs_dx: bool, lengths: Any = None) -> tuple[Any, Backward]:
    """:func:`in_order` for inference, without backward."""
    (graph,) = graphs

    def inferred(name: str, layer: Layer, x: Any, options: dict[str, Any]) -> Array:
        return layer(x, **options)

    return graph.run(x, lengths, inferred)[0], several


class Graph(Composite):
    """Named layers, each of which reads inputs and earlier layers; several may read the same one::

        y_n      = f_n(y_a, y_b, ...)                  of each node n in order, which reads a, b, ...
        dE/dy_a  = sum_n (dy_n/dy_a)^T dE/dy_n         over all nodes n that read a, in reverse

    Args:
        nodes: name -> layer, which reads the node before it (the first node reads all inputs), or
            name -> (layer, *names of its inputs). A layer that joins several, such as :class:`Add`, gets the tuple of
            their arrays. If the node "encoder" has several outputs, such as an ``LSTM(..., return_state=True)``, then
            "encoder" is y, and "encoder.h" and "encoder.c" are its last state. The nodes run in this order.
        inputs: the input's name, or several names; x is then a tuple or a dict of their arrays.
        outputs: the output's name, by default the last node's, or several names; y and dE/dy are then tuples.
        input_shape: the shape of one sample, for :meth:`summary`; for several inputs, a tuple of shapes.

    ``params``, ``grads`` and ``buffers`` hold each node's entries under its name, as ``"conv.W"``. Backward returns
    dE/dx, for several inputs a tuple, with None for integer inputs.

    Raises:
        TypeError: a node is not a layer, or reads several inputs with a layer that takes one, or the reverse.
        ValueError: a name is unknown, not above its reader, given twice or never read.

    >>> model = Graph({
    ...     "wide": Dense(4, 8),  # reads x
    ...     "act": ReLU(),  # reads wide
    ...     "deep": Dense(8, 8),
    ...     "sum": (Add(), "deep", "wide"),
    ... })
    >>> model(asarray(np.ones((2, 4)))).shape
    (2, 8)
    """

    takes_lengths = Composite.takes_lengths
    _plan: Plan | None = None

    def __init__(
        self,
        nodes: Mapping[str, Layer | tuple[Layer | str, ...]],
        inputs: str | Sequence[str] = "x",
        outputs: str | Sequence[str] | None = None,
        *,
        input_shape: tuple[Any, ...] | None = None,
    ) -> None:
        if not nodes:
            raise ValueError("Graph: expected at least one node")
        outputs = list(nodes)[-1] if outputs is None else outputs
        self.inputs: tuple[str, ...] = (inputs,) if isinstance(inputs, str) else tuple(inputs)
        self.outputs: tuple[str, ...] = (outputs,) if isinstance(outputs, str) else tuple(outputs)
        self.nodes: dict[str, Node] = {}
        self.input_shape = input_shape
        above = self.inputs
        for name, node in nodes.items():
            layer, *reads = node if isinstance(node, tuple) else (node, *above)
            self.nodes[name] = _node(name, layer, reads)
            above = (name,)
        _check_names(self)
        if any(leaf.params and vector_of(leaf.params) is None for _, leaf in self.leaves()):
            self.gather()  # layers that all come from another network stay in its vectors until these are used

    @property
    def separable(self) -> bool:  # type: ignore[override]
        return len(self.outputs) == 1 and all(layer.separable for _, layer in self.children())

    @property
    def joins(self) -> bool:  # type: ignore[override]
        return len(self.inputs) > 1

    @property
    def keeps_steps(self) -> bool:  # type: ignore[override]
        """Whether a path of nodes that keep the steps leads from an input to the output."""
        return self._kept(dict.fromkeys(self.inputs, (1,))) is not None

    def with_lengths(self, x: Any, lengths: Any) -> tuple[dict[str, Any], Any]:
        """Like :meth:`Layer.with_lengths`; ``lengths`` as for :meth:`forward`."""
        if lengths is None:
            return {}, None
        return {"lengths": lengths}, self._kept(self._spans(self._named(x), lengths))

    def _kept(self, spans: Spans) -> Lengths | None:
        """The lengths of the output's sequences, from those of the inputs'."""
        for name, (layer, *reads) in self.nodes.items():
            spans[name] = common(name, [spans.get(read) for read in reads]) if layer.keeps_steps else None
        return spans.get(self.outputs[0])

    def _spans(self, values: dict[str, Array], lengths: Any) -> Spans:
        """The lengths of each input's sequences."""
        if self.joins and isinstance(lengths, tuple):
            return dict(zip(self.inputs, lengths, strict=True))
        return {name: lengths if not self.joins or may_have_steps(values[name]) else None for name in self.inputs}

    def forward(self, x: Any, needs_dx: bool = True, lengths: Any = None) -> tuple[Any, Backward]:
        """Like :meth:`Layer.forward`.

        For several inputs, ``lengths`` may be a tuple, with None for an input without steps. Otherwise the same lengths
        apply to every input that may have steps, that is to all but floating-point (N, features).
        """
        y, backward = self._planned().run(in_order, x, needs_dx, lengths)
        return y, self._checked(y, backward)

    def __call__(self, x: Any, lengths: Any = None) -> Any:
        return self._planned().run(inferred_in_order, x, False, lengths)[0]

    def run(self, x: Any, lengths: Any, call: Callable[[str, Layer, Any, dict[str, Any]], Array]) -> tuple[Any, Spans]:
        """The output or outputs, each computed by ``call(name, layer, inputs, options)``, and all values' lengths."""
        values = self._named(x)
        spans = self._spans(values, lengths)
        last = {read: name for name, (_, *reads) in self.nodes.items() for read in reads}
        for name, (layer, *reads) in self.nodes.items():
            arrays = tuple(values[read] for read in reads)
            x = arrays if layer.joins else arrays[0]
            options, spans[name] = layer.with_lengths(x, common(name, [spans[read] for read in reads]))
            values |= values_of(name, layer, call(name, layer, x, options))
            spans |= dict.fromkeys(values.keys() - spans.keys())  # a last state has no steps
            for read in reads:
                if last[read] == name and read not in self.outputs:
                    values.pop(read, None)  # no later node reads it
        outputs = self.padded(tuple(values[name] for name in self.outputs), spans)
        return of_several(outputs), spans

    def padded(self, ys: Any, spans: Spans) -> tuple[Array, ...]:
        """The outputs, or their gradients, with 0 after each sequence's end."""
        return tuple(without_padding(self, y, spans[name]) for name, y in zip(self.outputs, several(ys), strict=True))

    def plan(self, batch_size: int = 64, input_shape: tuple[Any, ...] | None = None) -> str:
        """Like :meth:`Sequential.plan`. Layers are fused only within a Sequential, which may be a node."""
        shape = None if self.joins else input_shape or self.input_shape
        return self._planned().told(self, self.children(), batch_size, shape)

    def children(self) -> Iterator[tuple[str, Layer]]:
        for name, (layer, *_) in self.nodes.items():
            yield name, layer

    def summary(self, input_shape: tuple[Any, ...] | None = None) -> str:
        """A table of the nodes, their inputs, their output shapes (N is the batch) and numbers of parameters.

        Args:
            input_shape: the shape of one sample, for several inputs a tuple of shapes; by default the model's own.
                Without either, the table has no shapes.
        """
        shape, ys = input_shape or self.input_shape, dict[str, Any].fromkeys(self.nodes)
        if shape is not None:
            pairs = zip(self.inputs, shape if self.joins else (shape,), strict=True)
            x = tuple(xp.zeros((1, *sample), dtype=self._input_dtype(name)) for name, sample in pairs)

            def noted(name: str, layer: Layer, x: Any, options: dict[str, Any]) -> Any:
                ys[name] = layer(x)
                return ys[name]

            self.run(x, None, noted)
        reads = [", ".join(reads) for _, *reads in self.nodes.values()]
        return summarised(self, [(name, layer, ys[name]) for name, layer in self.children()], reads)

    def __getitem__(self, name: str) -> Layer:
        """The layer of a node."""
        return self.nodes[name][0]

    def _planned(self) -> Plan:
        self._plan = self._plan or Plan([self])
        return self._plan

    def _named(self, x: Any) -> dict[str, Array]:
        """The arrays of the inputs by name."""
        given = x if isinstance(x, Mapping) else dict(enumerate(x if isinstance(x, list) else several(x)))
        if given.keys() not in (set(self.inputs), set(range(len(self.inputs)))):
            expected = f"{len(self.inputs)} arrays, of {', '.join(self.inputs)}" if self.joins else "one array"
            got = ", ".join(map(repr, given)) if isinstance(x, Mapping) else len(given)
            raise ValueError(f"Graph: expected {expected}, got {got}")
        return {name: given[name] if name in given else given[i] for i, name in enumerate(self.inputs)}

    def _input_dtype(self, name: str) -> Any:
        """int64 for an input that an Embedding reads, else the parameters' dtype."""
        first = next(layer for layer, *reads in self.nodes.values() if name in reads)
        symbols = isinstance(next(leaf for _, leaf in first.leaves()), Embedding)
        return "int64" if symbols else self.dtype or "float32"

    def _arguments(self) -> str:
        return f"{self.nodes}, inputs={self.inputs}, outputs={self.outputs}"

    @classmethod
    def from_settings(cls, **settings: Any) -> Self:
        graph = cls.__new__(cls)  # see Sequential
        Graph.__init__(graph, **settings)
        return graph


def values_of(name: str, layer: Layer, y: Any) -> dict[str, Any]:
    """The outputs of a node's layer, by the names under which other nodes read them."""
    return dict(zip((name, *(f"{name}.{key}" for key in layer.gives)), several(y), strict=True))


def _check_names(graph: Graph) -> None:
    """Raise unless every name is valid, defined before it is read, and read somewhere."""
    names = [*graph.inputs, *graph.nodes]
    for name in names:
        if not isinstance(name, str) or not name or "." in name or "/" in name:
            raise ValueError(f"Graph: expected names without '.' and '/', which separate paths, got {name!r}")
    for what, given in (("inputs and nodes", names), ("outputs", graph.outputs)):
        if twice := [name for name, count in Counter(given).items() if count > 1]:
            raise ValueError(f"Graph: expected different names of {what}, got {twice[0]!r} twice")
    above = set(graph.inputs)
    for name, (layer, *reads) in graph.nodes.items():
        for read in reads:
            if read not in above:
                known = "nodes run in order, so each can read only inputs and nodes above it, and no cycle is possible"
                why = f"is not above it: {known}" if read in graph.nodes else f"is not one of {sorted(above)}"
                raise ValueError(f"Graph: {name!r} reads {read!r}, which {why}")
        above.update((name, *(f"{name}.{key}" for key in layer.gives)))
    for name in graph.outputs:
        if name not in above or name in graph.inputs:
            raise ValueError(f"Graph: expected outputs among the nodes {list(graph.nodes)}, got {name!r}")
    read_somewhere = {read for _, *reads in graph.nodes.values() for read in reads}.union(graph.outputs)
    read_somewhere = {read.partition(".")[0] for read in read_somewhere}
    if unread := [name for name in names if name not in read_somewhere]:
        raise ValueError(
            f"Graph: nothing reads {unread[0]!r}, and it is not an output: remove it, or name it in outputs"
        )


def _node(name: str, layer: Any, reads: Sequence[Any]) -> Node:
    """The node; an error unless its layer takes as many arrays as the node reads."""
    if not isinstance(layer, Layer):
        raise TypeError(f"Graph: expected a layer in the node {name!r}, got {type(layer).__name__}")
    if isinstance(layer, Graph) and len(layer.outputs) > 1:
        raise TypeError(f"Graph: expected one output of the node {name!r}, got the outputs {layer.outputs}")
    if isinstance(layer, Graph):
        takes, fits = f"{len(layer.inputs)}", len(reads) == len(layer.inputs)
    else:
        takes, fits = ("two or more", len(reads) > 1) if layer.joins else ("one", len(reads) == 1)
    if not fits:
        raise TypeError(f"Graph: {name!r} reads {len(reads)} ({', '.join(map(str, reads))}), but {layer} takes {takes}")
    return layer, *reads
