"""Activation functions a = f(z); backward is delta_z = delta_a * f'(z), the second factor of the seed's delta.

Each stands below its layer as a function of z and b, since a fully connected layer gives its bias along: b is None, or
one number for each row of a z that may be used up. Its backward then adds dE/db to db.
"""

from collections.abc import Callable

from ..backend import Array, fused, xp
from .base import Backward, Layer, brief

Activated = tuple[Array, Callable[..., Array]]
"""f(z + b) and backward(dy, db=None)."""


class Activation(Layer):
    """a = f(z), number by number."""

    separable = True

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check(x, "...")
        return self.activate(x, None)

    def activate(self, z: Array, b: Array | None) -> Activated:
        """f(z + b) for rows of z, (features, N), and backward(dy, db), which adds dE/db to db; or f(z) without b."""
        raise NotImplementedError


@fused
def linear(z: Array, b: Array | None) -> Activated:
    """z + b: a layer without an activation."""

    def backward(dy: Array, db: Array | None = None) -> Array:
        return _bias_gradient(dy, db)

    return _biased(z, b), backward


def _biased(z: Array, b: Array | None) -> Array:
    if b is not None:
        z += b[:, None]
    return z


def _bias_gradient(delta: Array, db: Array | None) -> Array:
    if db is not None:
        db += delta.sum(1)
    return delta


class Sigmoid(Activation):
    """a = 1 / (1 + exp(-z)), computed as 0.5 tanh(0.5 z) + 0.5, which never overflows; f' = a (1 - a).

    Any shape; the output has the input's.
    """

    def activate(self, z: Array, b: Array | None) -> Activated:
        return sigmoid(z, b)


@fused
def sigmoid(z: Array, b: Array | None) -> Activated:
    a = 0.5 * xp.tanh(0.5 * _biased(z, b)) + 0.5

    def backward(dy: Array, db: Array | None = None) -> Array:
        return _bias_gradient(dy * (a * (1 - a)), db)

    return a, backward


class Tanh(Activation):
    """a = tanh(z); f' = 1 - a^2. Any shape; the output has the input's."""

    def activate(self, z: Array, b: Array | None) -> Activated:
        return tanh(z, b)


@fused
def tanh(z: Array, b: Array | None) -> Activated:
    a = xp.tanh(_biased(z, b))

    def backward(dy: Array, db: Array | None = None) -> Array:
        slope = xp.square(a)  # half the time of a * a
        xp.subtract(1, slope, out=slope)
        slope *= dy
        return _bias_gradient(slope, db)

    return a, backward


class ScaledTanh(Activation):
    """a = A tanh(S z); f' = S (A - a^2 / A). A = 1.7159 and S = 2/3 give f(1) = 1 and f(-1) = -1.

    Args:
        amplitude: A.
        slope: S; the slope at 0 is A S.

    Any shape; the output has the input's. Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to
    document recognition", 1998, eq. 6 and appendix A.
    """

    def __init__(self, amplitude: float = 1.7159, slope: float = 2 / 3) -> None:
        if not amplitude:
            raise ValueError(f"ScaledTanh: expected an amplitude other than 0, got {amplitude}")
        super().__init__()
        self.amplitude, self.slope = float(amplitude), float(slope)

    def activate(self, z: Array, b: Array | None) -> Activated:
        return scaled_tanh(z, b, self.amplitude, self.slope)

    def _arguments(self) -> str:
        return brief({"amplitude": 1.7159, "slope": 2 / 3}, amplitude=self.amplitude, slope=self.slope)


@fused
def scaled_tanh(z: Array, b: Array | None, amplitude: float, slope: float) -> Activated:
    a = amplitude * xp.tanh(slope * _biased(z, b))

    def backward(dy: Array, db: Array | None = None) -> Array:
        return _bias_gradient(dy * (slope * (amplitude - a * a / amplitude)), db)

    return a, backward


class ReLU(Activation):
    """a = max(z, 0); f' = 1 where z > 0, else 0. Any shape; the output has the input's."""

    def activate(self, z: Array, b: Array | None) -> Activated:
        return relu(z, b)


@fused
def relu(z: Array, b: Array | None) -> Activated:
    z = _biased(z, b)
    a = z.clip(0, xp.inf, out=None if b is None else z)  # max(z, 0), which takes NumPy twice as long

    def backward(dy: Array, db: Array | None = None) -> Array:
        return _bias_gradient(dy * (a > 0), db)

    return a, backward


class LeakyReLU(Activation):
    """a = z where z > 0, else slope * z; f' = 1 where z > 0, else slope.

    Args:
        slope: the seed's leak_rate.

    Any shape; the output has the input's. Source: the seed, "代码实现".
    """

    def __init__(self, slope: float = 0.01) -> None:
        super().__init__()
        self.slope = float(slope)

    def activate(self, z: Array, b: Array | None) -> Activated:
        return leaky_relu(z, b, self.slope)

    def _arguments(self) -> str:
        return f"{self.slope}"


@fused
def leaky_relu(z: Array, b: Array | None, slope: float) -> Activated:
    z = _biased(z, b)
    usual = 0 < slope <= 1  # then a maximum does, which takes NumPy a sixth of the time of `where`

    def backward(dy: Array, db: Array | None = None) -> Array:
        dz = dy * xp.maximum(z > 0, z.dtype.type(slope)) if usual else xp.where(z > 0, dy, slope * dy)
        return _bias_gradient(dz, db)

    return xp.maximum(z, slope * z) if usual else xp.where(z > 0, z, slope * z), backward


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
