"""Residual blocks: layers that learn what to add to their input."""

from collections.abc import Iterator

from ..backend import Array
from .base import Backward, Layer
from .composite import Composite
from .lengths import Lengths, without_padding


class Residual(Composite):
    """The sum of a block's output and its input, the latter through a shortcut::

        y      = body(x) + shortcut(x)
        dE/dx  = (dbody/dx)^T dE/dy + (dshortcut/dx)^T dE/dy        with the identity: ... + dE/dy

    Through an identity shortcut the gradient reaches the input undiminished, however deep the body is.

    Args:
        body: a layer, usually a Sequential.
        shortcut: a layer that brings x to the shape of the body's output, such as a 1x1 convolution with the body's
            stride; None for the identity.

    Shapes: an input that both layers accept; both outputs must have the same shape.

    Raises:
        TypeError: body or shortcut is not a layer.
        ValueError: in forward, the outputs of body and shortcut have different shapes.

    Source: He, Zhang, Ren, Sun, "Deep residual learning for image recognition", 2016.

    >>> block = Residual(Sequential(Dense(4, 8), ReLU(), Dense(8, 4)))
    >>> block(asarray(np.ones((2, 4)))).shape
    (2, 4)
    """

    separable = Composite.separable
    takes_lengths = Composite.takes_lengths
    keeps_steps = Composite.keeps_steps

    def __init__(self, body: Layer, shortcut: Layer | None = None) -> None:
        for part in (body,) if shortcut is None else (body, shortcut):
            if not isinstance(part, Layer):
                raise TypeError(f"Residual: expected layers, got {type(part).__name__}")
        self.body, self.shortcut = body, shortcut

    def forward(self, x: Array, needs_dx: bool = True, lengths: Lengths | None = None) -> tuple[Array, Backward]:
        branches: list[Array] = []
        steps: list[Backward] = []
        _, kept = self.with_lengths(x, lengths)
        for part in (self.body, self.shortcut):
            if part is None:
                y, step = x, lambda dy: dy
            else:
                y, step = part.forward(x, needs_dx, **part.with_lengths(x, lengths)[0])
            branches.append(y)
            if needs_dx or (part is not None and part.learns):  # else nothing needs this branch's gradient
                steps.append(step)

        def backward(dy: Array) -> Array | None:
            dy = without_padding(self, dy, kept)
            gradients = [step(dy) for step in steps]
            if not needs_dx or gradients[0] is None or gradients[1] is None:
                return None
            return gradients[0] + gradients[1]

        return without_padding(self, self._sum(*branches), kept), backward

    def __call__(self, x: Array, lengths: Lengths | None = None) -> Array:
        (_, kept), parts = self.with_lengths(x, lengths), (self.body, self.shortcut)
        branches = (x if part is None else part(x, **part.with_lengths(x, lengths)[0]) for part in parts)
        return without_padding(self, self._sum(*branches), kept)

    def children(self) -> Iterator[tuple[str, Layer]]:
        yield "body", self.body
        if self.shortcut is not None:
            yield "shortcut", self.shortcut

    def _sum(self, body: Array, shortcut: Array) -> Array:
        if body.shape != shortcut.shape:
            raise ValueError(
                f"{self}: expected equal shapes, got {body.shape} from the body and {shortcut.shape} from the shortcut"
            )
        y: Array = body + shortcut
        return y

    def _arguments(self) -> str:
        return ", ".join(repr(child) for _, child in self.children())
