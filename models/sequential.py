"""Layers in sequence, which all three networks of the source document are."""

from collections.abc import Iterator, Sequence
from typing import Any, Self, overload

from ..backend import Array, xp
from ..layers import Backward, Composite, Layer
from ..layers.lengths import Lengths, without_padding
from ..layers.parameters import vector_of
from .plan import Plan
from .table import summarised


def in_a_row(
    layers: Sequence[Layer], x: Array, needs_dx: bool, lengths: Lengths | None = None
) -> tuple[Array, Backward]:
    """Each layer's output is the next one's input; the gradient goes back through them in reverse."""
    steps: list[Backward] = []
    for layer in layers:
        options, lengths = layer.with_lengths(x, lengths)
        x, step = layer.forward(x, needs_dx, **options)
        if needs_dx or layer.learns:  # no gradient is needed before the first trainable parameters
            steps.append(step)
            needs_dx = True

    def backward(dy: Array) -> Array | None:
        dy = without_padding("Sequential", dy, lengths)
        for step in reversed(steps):
            dy = step(dy)
        return dy if steps else None

    return without_padding("Sequential", x, lengths), backward


def inferred_in_a_row(
    layers: Sequence[Layer], x: Array, needs_dx: bool, lengths: Lengths | None = None
) -> tuple[Array, Backward]:
    """:func:`in_a_row` for inference, without backward."""
    for layer in layers:
        options, lengths = layer.with_lengths(x, lengths)
        x = layer(x, **options)
    return without_padding("Sequential", x, lengths), lambda dy: None


class Sequential(Composite):
    """Each layer's output is the next one's input: y = f_L(... f_1(x)), and backward is the chain rule in reverse.

    ``params``, ``grads`` and ``buffers`` hold every layer's entries under dotted paths (``"0.W"``), the first two as
    views into ``flat_params`` and ``flat_grads``. The arrays of a layer that occurs twice are listed once.

    Args:
        layers: the layers in order; a Sequential may be one of them.
        input_shape: the shape of one sample, for :meth:`summary`.
        input_dtype: "int64" if the input consists of symbols.

    Raises:
        ValueError: there is no layer.
        TypeError: one of them is not a layer.

    >>> model = Sequential(Dense(784, 128, rng=0), ReLU(), Dense(128, 10, rng=1))
    >>> model(asarray(np.ones((2, 784)))).shape
    (2, 10)
    """

    separable = Composite.separable
    takes_lengths = Composite.takes_lengths
    keeps_steps = Composite.keeps_steps
    _plan: Plan | None = None

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
            self.gather()  # layers that all come from another network stay in its vectors until these are used

    @property
    def joins(self) -> bool:  # type: ignore[override]
        return self.layers[0].joins

    @property
    def gives(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.layers[-1].gives

    def forward(self, x: Array, needs_dx: bool = True, lengths: Lengths | None = None) -> tuple[Array, Backward]:
        y, backward = self.planned().run(in_a_row, x, needs_dx, lengths)
        return y, self._checked(y, backward)

    def __call__(self, x: Array, lengths: Lengths | None = None) -> Array:
        return self.planned().run(inferred_in_a_row, x, False, lengths)[0]

    def planned(self) -> Plan:
        """How the layers run; rebuilt if ``layers`` has changed."""
        if self._plan is None or self._plan.layers != self.layers:
            self._plan = Plan(self.layers)
        return self._plan

    def plan(self, batch_size: int = 64, input_shape: tuple[int, ...] | None = None) -> str:
        """A table of the layers as they run, each with its form or "equation", and the number of slices of the batch.

        input_shape is the shape of one sample, by default the model's own; without either, the slices are omitted.
        """
        plan = self.planned()
        return plan.told(self, plan.named, batch_size, input_shape or self.input_shape)

    def children(self) -> Iterator[tuple[str, Layer]]:
        return zip(map(str, range(len(self.layers))), self.layers, strict=True)

    def summary(self, input_shape: tuple[int, ...] | None = None) -> str:
        """A table of the layers, their output shapes (N is the batch) and their numbers of parameters.

        Args:
            input_shape: the shape of one sample; by default the model's own. Without either, the shapes are omitted.
        """
        shape = input_shape or self.input_shape
        x = None if shape is None else xp.zeros((1, *shape), dtype=self.input_dtype or self.dtype or "float32")
        named = []
        for index, layer in enumerate(self.layers):
            x = None if x is None else layer(x)
            named.append((str(index), layer, x))
        return summarised(self, named)

    def __len__(self) -> int:
        return len(self.layers)

    @overload
    def __getitem__(self, index: int) -> Layer: ...

    @overload
    def __getitem__(self, index: slice) -> "Sequential": ...

    def __getitem__(self, index: int | slice) -> Layer:
        """A layer; or, for a slice, a Sequential that shares the parameters, for example to train the last layers only.

        >>> Sequential(Flatten(), Dense(4, 3), Softmax())[-2:]
        Sequential(Dense(4, 3), Softmax())
        """
        return Sequential(*self.layers[index]) if isinstance(index, slice) else self.layers[index]

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def _arguments(self) -> str:
        return ", ".join(map(repr, self.layers))

    def settings(self) -> dict[str, Any]:
        """The layers rather than a subclass's own arguments, since the layers may have been replaced."""
        return {"layers": self.layers, "input_shape": self.input_shape, "input_dtype": self.input_dtype}

    @classmethod
    def from_settings(cls, layers: Sequence[Layer], **settings: Any) -> Self:  # type: ignore[override]
        """A network of the class, without its own constructor, which would only choose the layers."""
        model = cls.__new__(cls)
        Sequential.__init__(model, *layers, **settings)
        return model
