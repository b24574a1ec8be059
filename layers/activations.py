"""Activation functions a = f(z); backward is delta_z = delta_a * f'(z), the second factor of the seed's delta."""

from ..backend import Array, xp
from .base import Backward, Layer, brief


class Sigmoid(Layer):
    """a = 1 / (1 + exp(-z)), computed as 0.5 tanh(0.5 z) + 0.5, which never overflows; f' = a (1 - a).

    Any shape; the output has the input's.
    """

    separable = True

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check(x, "...")
        a = 0.5 * xp.tanh(0.5 * x) + 0.5

        def backward(dy: Array) -> Array:
            return dy * (a * (1 - a))

        return a, backward


class Tanh(Layer):
    """a = tanh(z); f' = 1 - a^2. Any shape; the output has the input's."""

    separable = True

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check(x, "...")
        a = xp.tanh(x)

        def backward(dy: Array) -> Array:
            slope = a * a
            xp.subtract(1, slope, out=slope)
            slope *= dy
            return slope

        return a, backward


class ScaledTanh(Layer):
    """a = A tanh(S z); f' = S (A - a^2 / A). A = 1.7159 and S = 2/3 give f(1) = 1 and f(-1) = -1.

    Args:
        amplitude: A.
        slope: S; the slope at 0 is A S.

    Any shape; the output has the input's. Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to
    document recognition", 1998, eq. 6 and appendix A.
    """

    separable = True

    def __init__(self, amplitude: float = 1.7159, slope: float = 2 / 3) -> None:
        super().__init__()
        self.amplitude, self.slope = float(amplitude), float(slope)

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check(x, "...")
        a = self.amplitude * xp.tanh(self.slope * x)

        def backward(dy: Array) -> Array:
            return dy * (self.slope * (self.amplitude - a * a / self.amplitude))

        return a, backward

    def _arguments(self) -> str:
        return brief({"amplitude": 1.7159, "slope": 2 / 3}, amplitude=self.amplitude, slope=self.slope)


class ReLU(Layer):
    """a = max(z, 0); f' = 1 where z > 0, else 0. Any shape; the output has the input's."""

    separable = True

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check(x, "...")
        a = xp.maximum(x, 0)

        def backward(dy: Array) -> Array:
            return dy * (a > 0)

        return a, backward


class LeakyReLU(Layer):
    """a = z where z > 0, else slope * z; f' = 1 where z > 0, else slope.

    Args:
        slope: the seed's leak_rate.

    Any shape; the output has the input's. Source: the seed, "代码实现".
    """

    separable = True

    def __init__(self, slope: float = 0.01) -> None:
        super().__init__()
        self.slope = float(slope)

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check(x, "...")

        def backward(dy: Array) -> Array:
            return xp.where(x > 0, dy, self.slope * dy)

        return xp.where(x > 0, x, self.slope * x), backward

    def _arguments(self) -> str:
        return f"{self.slope}"


class Softmax(Layer):
    """a_i = exp(z_i) / sum_j exp(z_j) over the last axis; dE/dz = a * (delta - sum_j delta_j a_j).

    To train a classifier leave it out and use :class:`~xpnn.SoftmaxCrossEntropy`, which takes the logits z.
    Any shape; the output has the input's.
    """

    separable = True

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check(x, "...")
        e = xp.exp(x - x.max(-1, keepdims=True))  # the largest exponent is 0: no overflow
        a = e / e.sum(-1, keepdims=True)

        def backward(dy: Array) -> Array:
            return a * (dy - (dy * a).sum(-1, keepdims=True))

        return a, backward
