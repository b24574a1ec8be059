"""Activation functions a = f(z), with dE/dz = dE/da * f'(z): the second factor of the document's delta.

Each is a function of z that computes f and f', and a layer that applies it.
"""

from collections.abc import Callable

from ..backend import Array, accelerated, xp
from .base import Backward, Layer

Activated = tuple[Array, Callable[[Array], Array]]
"""f(z), and ``backward(dE/da) -> dE/dz``."""


@accelerated
def sigmoid(z: Array) -> Activated:
    """f(z) = 1 / (1 + exp(-z))."""
    a = logistic(z)
    return a, lambda da: da * (a * (1 - a))


def logistic(z: Array) -> Array:
    """1 / (1 + exp(-z)) as 0.5 tanh(0.5 z) + 0.5, which never overflows."""
    return 0.5 * xp.tanh(0.5 * z) + 0.5


@accelerated
def tanh(z: Array) -> Activated:
    """f(z) = tanh(z)."""
    a = xp.tanh(z)
    return a, lambda da: da * (1 - xp.square(a))


@accelerated
def scaled_tanh(z: Array, amplitude: float, slope: float) -> Activated:
    """f(z) = A tanh(S z)."""
    a = amplitude * xp.tanh(slope * z)
    return a, lambda da: da * (slope * (amplitude - a * a / amplitude))


@accelerated
def relu(z: Array) -> Activated:
    """f(z) = max(z, 0)."""
    a = xp.maximum(z, 0)
    return a, lambda da: da * (z > 0)


@accelerated
def leaky_relu(z: Array, slope: float) -> Activated:
    """f(z) = z where z > 0, else slope z."""
    a = xp.where(z > 0, z, slope * z)
    return a, lambda da: xp.where(z > 0, da, slope * da)


class Activation(Layer):
    """a = f(z), element by element; a subclass returns f and its constants from :meth:`function`."""

    separable = True
    keeps_steps = True

    def function(self) -> tuple[Callable[..., Activated], tuple[float, ...]]:
        """f, called as ``f(z, *constants) -> (a, backward)``, and its constants."""
        raise NotImplementedError

    @property
    def equation(self) -> str:  # type: ignore[override]
        return self.function()[0].__name__

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check(x, "...")
        f, constants = self.function()
        return f(x, *constants)


class Sigmoid(Activation):
    """a = 1 / (1 + exp(-z)); f' = a (1 - a). Any shape; the output has the input's.

    >>> Sigmoid()(asarray([0.0]))
    array([0.5], dtype=float32)
    """

    def function(self) -> tuple[Callable[..., Activated], tuple[float, ...]]:
        return sigmoid, ()


class Tanh(Activation):
    """a = tanh(z); f' = 1 - a^2. Any shape; the output has the input's.

    >>> Tanh()(asarray([0.0, 1.0])).round(2)
    array([0. , 0.76], dtype=float32)
    """

    def function(self) -> tuple[Callable[..., Activated], tuple[float, ...]]:
        return tanh, ()


class ScaledTanh(Activation):
    """a = A tanh(S z); f' = S (A - a^2 / A). A = 1.7159 and S = 2/3 give f(1) = 1 and f(-1) = -1.

    Args:
        amplitude: A.
        slope: S; the slope at 0 is A S.

    Any shape. Source: LeCun et al., "Gradient-based learning applied to document recognition", 1998, eq. 6 and app. A.

    >>> ScaledTanh()(asarray([-1.0, 1.0])).round(3)
    array([-1., 1.], dtype=float32)
    """

    def __init__(self, amplitude: float = 1.7159, slope: float = 2 / 3) -> None:
        if not amplitude:
            raise ValueError(f"ScaledTanh: expected an amplitude other than 0, got {amplitude}")
        super().__init__()
        self.amplitude, self.slope = float(amplitude), float(slope)

    def function(self) -> tuple[Callable[..., Activated], tuple[float, ...]]:
        return scaled_tanh, (self.amplitude, self.slope)


class ReLU(Activation):
    """a = max(z, 0); f' = 1 where z > 0, else 0. Any shape; the output has the input's.

    >>> ReLU()(asarray([-1.0, 2.0]))
    array([0., 2.], dtype=float32)
    """

    def function(self) -> tuple[Callable[..., Activated], tuple[float, ...]]:
        return relu, ()


class LeakyReLU(Activation):
    """a = z where z > 0, else slope * z; f' = 1 where z > 0, else slope.

    Args:
        slope: the document's leak_rate.

    Any shape. Source: the source document, "代码实现".

    >>> LeakyReLU(0.1)(asarray([-1.0, 2.0]))
    array([-0.1, 2. ], dtype=float32)
    """

    def __init__(self, slope: float = 0.01) -> None:
        super().__init__()
        self.slope = float(slope)

    def function(self) -> tuple[Callable[..., Activated], tuple[float, ...]]:
        return leaky_relu, (self.slope,)

    def _arguments(self) -> str:
        return f"{self.slope}"


class Softmax(Layer):
    """a_i = exp(z_i) / sum_j exp(z_j) over the last axis; dE/dz = a * (delta - sum_j delta_j a_j).

    Any shape; delta = dE/da. To train a classifier, omit this layer: :class:`SoftmaxCrossEntropy` takes logits.

    >>> Softmax()(asarray([0.0, 0.0]))
    array([0.5, 0.5], dtype=float32)
    """

    separable = True
    keeps_steps = True

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check(x, "...")
        e = xp.exp(x - x.max(-1, keepdims=True))  # the largest exponent is 0: no overflow
        a = e / e.sum(-1, keepdims=True)

        def backward(dy: Array) -> Array:
            return a * (dy - (dy * a).sum(-1, keepdims=True))

        return a, backward
