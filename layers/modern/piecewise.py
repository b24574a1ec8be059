"""Activations made of straight lines and parabolas: Clip, ReLU6, HardSigmoid, HardSwish, and PReLU, which learns."""

from collections.abc import Callable

import numpy as np

from ...backend import Array, Params, accelerated, xp
from ..activations import Activated, Activation
from ..base import Backward, Layer
from ..settings import positive


@accelerated
def clip(z: Array, low: float, high: float) -> Activated:
    """f(z) = min(max(z, low), high)."""
    return xp.minimum(xp.maximum(z, low), high), lambda da: da * ((z > low) & (z < high))


@accelerated
def hard_sigmoid(z: Array, slope: float, offset: float) -> Activated:
    """f(z) = min(max(slope z + offset, 0), 1)."""
    a, backward = clip(slope * z + offset, 0.0, 1.0)
    return a, lambda da: slope * backward(da)


@accelerated
def hard_swish(z: Array) -> Activated:
    """f(z) = z h(z), h(z) = min(max(z / 6 + 1/2, 0), 1)."""
    h, backward = hard_sigmoid(z, 1 / 6, 0.5)
    return z * h, lambda da: da * h + z * backward(da)


@accelerated
def prelu(z: Array, params: Params) -> tuple[Array, Callable[[Array, Params], Array]]:
    """f(z) = z where z > 0, else alpha z, with one alpha for all or one for each channel (axis 1)."""
    shared = params["alpha"].size == 1
    alpha = params["alpha"].reshape(-1, *[1] * (0 if shared else z.ndim - 2))

    def backward(da: Array, grads: Params) -> Array:
        dalpha = xp.where(z > 0, 0, z) * da  # dE/dalpha = sum of dE/da z, where z is not positive
        grads["alpha"] += dalpha.sum() if shared else dalpha.sum((0, *range(2, z.ndim)))
        return xp.where(z > 0, da, alpha * da)

    return xp.where(z > 0, z, alpha * z), backward


class Clip(Activation):
    """a = min(max(z, low), high); f' = 1 where low < z < high, else 0.

    Args:
        low, high: the bounds; ``-math.inf`` or ``math.inf`` for none.

    Any shape.

    Raises:
        ValueError: low is not below high.

    >>> Clip(-1, 1)(asarray([-3.0, 0.5, 2.0]))
    array([-1. ,  0.5,  1. ], dtype=float32)
    """

    def __init__(self, low: float, high: float) -> None:
        if not low < high:
            raise ValueError(f"{type(self).__name__}: expected low < high, got {low} and {high}")
        super().__init__()
        self.low, self.high = float(low), float(high)

    def function(self) -> tuple[Callable[..., Activated], tuple[float, ...]]:
        return clip, (self.low, self.high)


class ReLU6(Clip):
    """a = min(max(z, 0), 6); f' = 1 where 0 < z < 6, else 0. Any shape.

    Source: Krizhevsky, "Convolutional deep belief networks on CIFAR-10", 2010.

    >>> ReLU6()(asarray([-1.0, 2.0, 8.0]))
    array([0., 2., 6.], dtype=float32)
    """

    def __init__(self) -> None:
        super().__init__(0, 6)


class HardSigmoid(Activation):
    """a = min(max(slope z + offset, 0), 1); f' = slope where 0 < a < 1, else 0.

    Args:
        slope, offset: 1/6 and 1/2 as in PyTorch; ONNX's defaults are 0.2 and 0.5.

    Any shape. Source: Courbariaux, Bengio, David, "BinaryConnect", 2015 (slope 1/2).

    >>> HardSigmoid()(asarray([-4.0, 0.0, 1.5]))
    array([0.  , 0.5 , 0.75], dtype=float32)
    """

    def __init__(self, slope: float = 1 / 6, offset: float = 0.5) -> None:
        super().__init__()
        self.slope, self.offset = float(slope), float(offset)

    def function(self) -> tuple[Callable[..., Activated], tuple[float, ...]]:
        return hard_sigmoid, (self.slope, self.offset)


class HardSwish(Activation):
    """a = z h, h = min(max(z / 6 + 1/2, 0), 1); f' = h + z h', h' = 1/6 where -3 < z < 3, else 0. Any shape.

    Source: Howard et al., "Searching for MobileNetV3", 2019.

    >>> HardSwish()(asarray([-4.0, 1.5, 4.0]))
    array([-0.   ,  1.125,  4.   ], dtype=float32)
    """

    def function(self) -> tuple[Callable[..., Activated], tuple[float, ...]]:
        return hard_swish, ()


class PReLU(Layer):
    """a = z where z > 0, else alpha z, and alpha is learnt.

    Forward and backward, for each channel's values z_i (delta = dE/da)::

        a_i       = z_i if z_i > 0 else alpha z_i
        dE/dalpha = sum of delta_i z_i over all i with z_i <= 0
        dE/dz_i   = delta_i if z_i > 0 else alpha delta_i

    Args:
        num_parameters: 1 for one alpha, or the number of channels C for one alpha each.
        init: the first value of each alpha.
        dtype: of alpha and the input.

    Shapes: input of any shape for one alpha, else (N, C, ...), output likewise; alpha (num_parameters,).

    Source: He, Zhang, Ren, Sun, "Delving deep into rectifiers", 2015, section 2.1.

    >>> PReLU()(asarray([-1.0, 2.0]))
    array([-0.25,  2.  ], dtype=float32)
    """

    separable = True
    keeps_steps = True
    equation = "prelu"

    def __init__(self, num_parameters: int = 1, init: float = 0.25, *, dtype: str = "float32") -> None:
        positive(num_parameters=num_parameters)
        super().__init__(alpha=np.full(num_parameters, init, dtype))
        self.num_parameters, self.init = num_parameters, float(init)

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        if self.num_parameters == 1:
            self._check(x, "...")
        else:
            self._check(x, "N", self.num_parameters, *["L"] * (getattr(x, "ndim", 2) - 2))
        y, backward = prelu(x, self.params)
        return y, lambda dy: backward(dy, self.grads)
