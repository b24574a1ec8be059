"""The optimisers' updates, each in one launch.

Settings may be integers or NumPy scalars, whose bytes a kernel would read as a REAL; so each is converted to a float.
"""

from typing import Any

from ..select import Array
from .kernels import launch, number, real


@real
def sgd(p: Array, g: Array, v: Array | None, lr: Any, momentum: float, nesterov: bool, weight_decay: float) -> None:
    """The whole update in one launch, which reads and writes each element once and clears the gradients."""
    numbers = (*number(lr, p.dtype), float(momentum), bool(nesterov), float(weight_decay))
    launch("sgd", p.size, p.dtype, p, g, v, *numbers, p.size)


@real
def adam(
    p: Array, g: Array, m: Array, v: Array, scalars: tuple[Any, ...], betas: tuple[float, float], weight_decay: float
) -> None:
    """Like :func:`sgd`, in one launch."""
    dtype, (beta1, beta2) = p.dtype, betas
    places = (x for scalar in scalars for x in number(scalar, dtype))
    means = (float(x) for beta in (beta1, beta2) for x in (beta, 1 - beta))
    numbers = (*places, *means, float(weight_decay))
    launch("adam", p.size, dtype, p, g, m, v, *numbers, p.size)
