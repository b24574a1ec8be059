"""Smooth activations: ELU, SiLU, GELU and Softplus, each with f above and f' below, as in ``layers/activations.py``."""

import math
from collections.abc import Callable

from ...backend import Array, accelerated, xp
from ..activations import Activated, Activation, logistic
from ..settings import real
from .erf import erf


@accelerated
def elu(z: Array, alpha: float) -> Activated:
    """f(z) = z where z > 0, else alpha (exp(z) - 1)."""
    a = xp.where(z > 0, z, alpha * xp.expm1(xp.minimum(z, 0)))  # the minimum, since exp(z) may overflow
    return a, lambda da: xp.where(z > 0, da, da * (a + alpha))


@accelerated
def silu(z: Array) -> Activated:
    """f(z) = z s(z), s(z) = 1 / (1 + exp(-z))."""
    s = logistic(z)
    return z * s, lambda da: da * (s + z * s * (1 - s))


@accelerated
def gelu(z: Array) -> Activated:
    """f(z) = z P(z), where P is the standard normal distribution function and p = P' its density."""
    P = 0.5 * (1 + erf(z / math.sqrt(2)))
    p = xp.exp(-0.5 * xp.square(z.clip(-40, 40))) / math.sqrt(2 * math.pi)  # p is 0 beyond, and z^2 may overflow
    return z * P, lambda da: da * (P + z * p)


@accelerated
def gelu_tanh(z: Array) -> Activated:
    """f(z) = z (1 + t) / 2, t = tanh(c (z + k z^3))."""
    c, k = math.sqrt(2 / math.pi), 0.044715
    x = z.clip(-30, 30)  # beyond, t is -1 or 1, and z^3 may overflow
    t = xp.tanh(c * (x + k * x * x * x))
    return 0.5 * z * (1 + t), lambda da: da * 0.5 * (1 + t + z * (1 - xp.square(t)) * c * (1 + 3 * k * x * x))


@accelerated
def softplus(z: Array, beta: float, threshold: float) -> Activated:
    """f(z) = log(1 + exp(beta z)) / beta; z where beta z > threshold."""
    linear = beta * z > threshold
    a = xp.where(linear, z, xp.logaddexp(0.0, beta * z) / beta)
    return a, lambda da: xp.where(linear, da, da * logistic(beta * z))


class ELU(Activation):
    """a = z where z > 0, else alpha (exp(z) - 1); f' = 1 where z > 0, else a + alpha.

    Args:
        alpha: f(z) tends to -alpha as z goes to minus infinity.

    Any shape. Source: Clevert, Unterthiner, Hochreiter, "Fast and accurate deep network learning by exponential linear
    units", 2015.

    >>> ELU()(asarray([-1.0, 2.0])).round(3)
    array([-0.632,  2.   ], dtype=float32)
    """

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = float(alpha)

    def function(self) -> tuple[Callable[..., Activated], tuple[float, ...]]:
        return elu, (self.alpha,)


class SiLU(Activation):
    """a = z s, s = 1 / (1 + exp(-z)); f' = s + a (1 - s). Also known as swish. Any shape.

    Source: Ramachandran, Zoph, Le, "Searching for activation functions", 2017.

    >>> SiLU()(asarray([-1.0, 2.0])).round(3)
    array([-0.269,  1.762], dtype=float32)
    """

    def function(self) -> tuple[Callable[..., Activated], tuple[float, ...]]:
        return silu, ()


class GELU(Activation):
    """a = z P(z), where P is the standard normal distribution function; f' = P(z) + z p(z), p = P'.

    ::

        "none":  P(z) = (1 + erf(z / sqrt 2)) / 2                          p(z) = exp(-z^2 / 2) / sqrt(2 pi)
        "tanh":  P(z) = (1 + t) / 2,  t = tanh(c (z + k z^3))              p(z) = (1 - t^2) c (1 + 3 k z^2) / 2
                 c = sqrt(2 / pi),  k = 0.044715

    Args:
        approximate: "none", or "tanh" for the second line, which differs by less than 5e-4 and is faster.

    Any shape.

    Raises:
        ValueError: ``approximate`` is neither.

    Source: Hendrycks, Gimpel, "Gaussian error linear units", 2016.

    >>> GELU()(asarray([-1.0, 2.0])).round(3)
    array([-0.159,  1.954], dtype=float32)
    """

    def __init__(self, approximate: str = "none") -> None:
        if approximate not in ("none", "tanh"):
            raise ValueError(f'GELU: expected approximate="none" or "tanh", got {approximate!r}')
        super().__init__()
        self.approximate = approximate

    def function(self) -> tuple[Callable[..., Activated], tuple[float, ...]]:
        return gelu if self.approximate == "none" else gelu_tanh, ()

    def _arguments(self) -> str:
        return "" if self.approximate == "none" else f"{self.approximate!r}"


class Softplus(Activation):
    """a = log(1 + exp(beta z)) / beta, a smooth max(z, 0); f' = 1 / (1 + exp(-beta z)).

    Where beta z > threshold, a = z and f' = 1, as in PyTorch; the difference is below exp(-threshold) / beta.

    Args:
        beta: the larger beta, the closer a is to max(z, 0).
        threshold: for beta z; ``math.inf`` for none.

    Any shape.

    Raises:
        ValueError: beta is not positive.

    Source: Dugas et al., "Incorporating second-order functional knowledge for better option pricing", 2000.

    >>> Softplus()(asarray([0.0, 30.0])).round(3)
    array([ 0.693, 30.   ], dtype=float32)
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        if not real(beta) > 0:
            raise ValueError(f"Softplus: expected beta > 0, got {beta}")
        super().__init__()
        self.beta, self.threshold = float(beta), float(threshold)

    def function(self) -> tuple[Callable[..., Activated], tuple[float, ...]]:
        return softplus, (self.beta, self.threshold)
