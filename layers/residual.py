"""Residual blocks: layers that learn what to add to their input."""

from collections.abc import Iterator

from ..backend import Array
from .base import Backward, Layer
from .composite import Composite


class Residual(Composite):
    """The sum of a block's output and its input, the latter through a shortcut::

        y      = body(x) + shortcut(x)
        dE/dx  = (dbody/dx)^T dE/dy + (dshortcut/dx)^T dE/dy        with the identity: ... + dE/dy

    Through an identity shortcut the gradient reaches the input undiminished, however deep the body is.

    Args:
        body: a layer, usually a Sequential.
        shortcut: a layer that brings x to the shape of the body's output, such as a 1x1 convolution with the body's
            stride; None for the identity.

    Shapes: input as both layers accept it; the outputs of both must have the same shape.

    Raises:
        TypeError: body or shortcut is not a layer.
        ValueError: in forward, the outputs of body and shortcut have different shapes.

    Source: He, Zhang, Ren, Sun, "Deep residual learning for image recognition", 2016.

    >>> block = Residual(Sequential(Dense(4, 8), ReLU(), Dense(8, 4)))
    >>> block(asarray(np.ones((2, 4)))).shape
    (2, 4)
    """

    separable = Composite.separable

    def __init__(self, body: Layer, shortcut: Layer | None = None) -> None:
        for part in (body,) if shortcut is None else (body, shortcut):
            if not isinstance(part, Layer):
                raise TypeError(f"Residual: expected layers, got {type(part).__name__}")
        self.body, self.shortcut = body, shortcut

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        branches: list[Array] = []
        steps: list[Backward] = []
        for part in (self.body, self.shortcut):
            y, step = (x, _identity) if part is None else part.forward(x, needs_dx)
            branches.append(y)
            if needs_dx or (part is not None and part.learns):  # else no parameter waits for a gradient
                steps.append(step)

        def backward(dy: Array) -> Array | None:
            gradients = [step(dy) for step in steps]
            if not needs_dx or gradients[0] is None or gradients[1] is None:
                return None
            return gradients[0] + gradients[1]

        return self._sum(*branches), backward

    def __call__(self, x: Array) -> Array:
        return self._sum(self.body(x), x if self.shortcut is None else self.shortcut(x))

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


def _identity(dy: Array) -> Array:
    return dy
