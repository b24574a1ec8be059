"""The optimisers' updates, each in one launch."""

from typing import Any

from ..select import Array
from .kernels import launch, number, real


@real
def sgd(p: Array, g: Array, v: Array | None, lr: Any, momentum: float, nesterov: bool, weight_decay: float) -> None:
    """The whole update in one launch, which reads and writes each element once and clears the gradients."""
    numbers = (*number(lr, p.dtype), momentum, nesterov, weight_decay)
    launch("sgd", p.size, p.dtype, p, g, v, *numbers, p.size)


@real
def adam(
    p: Array, g: Array, m: Array, v: Array, scalars: tuple[Any, ...], betas: tuple[float, float], weight_decay: float
) -> None:
    """As :func:`sgd`."""
    dtype, (beta1, beta2) = p.dtype, betas
    places = (x for scalar in scalars for x in number(scalar, dtype))
    numbers = (*places, float(beta1), 1.0 - beta1, float(beta2), 1.0 - beta2, weight_decay)
    launch("adam", p.size, dtype, p, g, m, v, *numbers, p.size)
