"""Layers in a row: what the seed's three networks have in common."""

from collections.abc import Iterator
from functools import partial
from typing import overload

from ..backend import Array, in_parallel, parts, xp
from ..layers import Backward, Composite, Dense, Layer, MaxPool2D, ReLU
from ..layers.activations import Activation
from ..layers.dense import ActivatedDense
from ..layers.parameters import vector_of


class Sequential(Composite):
    """Each layer's output is the next one's input; the gradient goes back through them in reverse.

    ``params``, ``grads`` and ``buffers`` hold every layer's entries under dotted paths (``"0.W"``), the first two as
    views into ``flat_params`` and ``flat_grads``. A layer may stand in it twice and then shares its parameters.

    Args:
        layers: in order; a Sequential counts as a layer.
        input_shape: of one sample, for :meth:`summary`.
        input_dtype: "int64" where the input is symbols.

    Example:
        >>> model = Sequential(Dense(784, 128, rng=0), ReLU(), Dense(128, 10, rng=1))
        >>> logits = model(x)
    """

    separable = Composite.separable

    def __init__(
        self, *layers: Layer, input_shape: tuple[int, ...] | None = None, input_dtype: str | None = None
    ) -> None:
        if not layers:
            raise ValueError("Sequential: expected at least one layer")
        for layer in layers:
            if not isinstance(layer, Layer):
                raise TypeError(f"Sequential: expected layers, got {type(layer).__name__}")
        self.layers = list(layers)
        self.input_shape, self.input_dtype = input_shape, input_dtype
        if any(leaf.params and vector_of(leaf.params) is None for _, leaf in self.leaves()):
            self.gather()  # layers that stand in a network already stay there until this one's vector is asked for

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        y, backward = self._forward_in_parts(x, needs_dx)
        shape, dtype = y.shape, y.dtype

        def checked(dy: Array) -> Array | None:
            if dy.shape != shape or dy.dtype != dtype:
                got = f"{dy.shape} and {dy.dtype}"
                raise ValueError(f"{type(self).__name__}: expected dE/dy of y's shape {shape} and {dtype}, got {got}")
            return backward(dy)

        return y, checked

    def _forward_in_parts(self, x: Array, needs_dx: bool) -> tuple[Array, Backward]:
        sections = self._parts(x)
        if len(sections) == 1:
            return self._forward(x, needs_dx)
        outputs, backwards = zip(*in_parallel([partial(self._forward, x[s], needs_dx) for s in sections]), strict=True)

        def backward(dy: Array) -> Array | None:
            try:
                dx = in_parallel([partial(step, dy[s]) for step, s in zip(backwards, sections, strict=True)])
            finally:
                for _, leaf in self.leaves():
                    leaf.grads.collect()
            return None if dx[0] is None else xp.concatenate(dx)

        return xp.concatenate(outputs), backward

    def _forward(self, x: Array, needs_dx: bool) -> tuple[Array, Backward]:
        steps: list[Backward] = []
        for layer in self._order():
            x, step = layer.forward(x, needs_dx)
            if needs_dx or layer.dtype is not None:  # before the first parameters nobody needs a gradient
                steps.append(step)
                needs_dx = True

        def backward(dy: Array) -> Array | None:
            for step in reversed(steps):
                dy = step(dy)
            return dy if steps else None

        return x, backward

    def __call__(self, x: Array) -> Array:
        sections = self._parts(x)
        if len(sections) == 1:
            return self._infer(x)
        return xp.concatenate(in_parallel([partial(self._infer, x[s]) for s in sections]))

    def _infer(self, x: Array) -> Array:
        for layer in self._order():
            x = layer(x)
        return x

    def _order(self) -> list[Layer]:
        """The layers as they are run, which is put together anew where ``layers`` has changed."""
        if self._ordered[0] != self.layers:
            self._ordered = list(self.layers), _arranged(self.layers)
        return self._ordered[1]

    _ordered: tuple[list[Layer], list[Layer]] = [], []  # the layers that it was made for, and their order

    def _parts(self, x: Array) -> list[slice]:
        """The parts of the batch that go through the network at the same time: images, whose operations last."""
        sections = parts(len(x), x.size) if isinstance(x, xp.ndarray) and x.ndim == 4 else []
        return sections if len(sections) > 1 and self.separable else [slice(None)]

    def children(self) -> Iterator[tuple[str, Layer]]:
        for index, layer in enumerate(self.layers):
            yield str(index), layer

    def summary(self, input_shape: tuple[int, ...] | None = None) -> str:
        """A table of the layers, their output shapes (N is the batch) and their numbers of parameters.

        Args:
            input_shape: of one sample; by default the model's own. Without either the shapes are left out.
        """
        shape = input_shape or self.input_shape
        x = None if shape is None else xp.zeros((1, *shape), dtype=self.input_dtype or self.dtype or "float32")
        rows = [("layer", "output shape", "parameters")]
        counted: set[int] = set()
        for index, layer in enumerate(self.layers):
            x = None if x is None else layer(x)
            shown = "" if x is None else "(" + ", ".join(["N", *map(str, x.shape[1:])]) + ")"
            new = {id(leaf): leaf for _, leaf in layer.leaves() if id(leaf) not in counted}
            counted |= new.keys()
            size = sum(value.size for leaf in new.values() for value in leaf.params.values())
            name = f"{index} {layer}"
            rows.append((name if len(name) <= 60 else name[:59] + "…", shown, f"{size:,}"))
        rows.append(("total", "", f"{self.flat_params.size:,}"))
        first, second, third = (max(map(len, column)) for column in zip(*rows, strict=True))
        return "\n".join(f"{a:<{first}}  {b:<{second}}  {c:>{third}}" for a, b, c in rows)

    def __len__(self) -> int:
        return len(self.layers)

    @overload
    def __getitem__(self, index: int) -> Layer: ...

    @overload
    def __getitem__(self, index: slice) -> "Sequential": ...

    def __getitem__(self, index: int | slice) -> Layer:
        """A layer; or some of them as a network, which shares their parameters.

        Example: to train the last layers alone
            >>> head = model[-2:]
            >>> fit(head, predict(model[:-2], x), y)
        """
        return Sequential(*self.layers[index]) if isinstance(index, slice) else self.layers[index]

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def _arguments(self) -> str:
        return ", ".join(map(repr, self.layers))


def _arranged(layers: list[Layer]) -> list[Layer]:
    """Max-pooling before the ReLU in front of it, which then has less to do.

    Both orders give the same values and gradients, since max(max(x, 0), max(y, 0)) = max(max(x, y), 0). And a fully
    connected layer together with its activation.
    """
    order = list(layers)
    for i in range(len(order) - 1):
        if type(order[i]) is ReLU and type(order[i + 1]) is MaxPool2D:
            order[i], order[i + 1] = order[i + 1], order[i]
    for i in range(len(order) - 1, 0, -1):
        dense, f = order[i - 1 : i + 1]
        own = type(f).forward is Activation.forward and type(f).__call__ is Activation.__call__
        if type(dense) is Dense and isinstance(f, Activation) and own:
            order[i - 1 : i + 1] = [ActivatedDense(dense, f)]
    return order
