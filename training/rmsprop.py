"""RMSprop."""

import math
from typing import Any

from ..backend import Array, accelerated, xp
from ..layers.settings import real
from .groups import Groups
from .optimizer import Optimizer
from .schedules import Schedule


@accelerated
def rmsprop(
    p: Array,
    g: Array,
    v: Array,
    m: Array | None,
    b: Array | None,
    lr: Any,
    alpha: float,
    eps: float,
    momentum: float,
    weight_decay: float,
) -> None:
    """:class:`RMSprop`'s update of p and of the state v, m, b by the gradient g, which is then cleared."""
    if weight_decay:
        g += weight_decay * p  # g = dE/dp + weight_decay p
    v *= alpha
    v += (1 - alpha) * (g * g)  # v = alpha v + (1 - alpha) g^2
    spread = v
    if m is not None:
        m *= alpha
        m += (1 - alpha) * g  # m = alpha m + (1 - alpha) g
        spread = v - m * m
    step = g / (xp.sqrt(spread) + eps)
    if b is not None:
        b *= momentum
        b += step  # b = momentum b + g / (sqrt(v - m^2) + eps)
        step = b
    p -= lr * step  # p = p - lr b
    g.fill(0)


class RMSprop(Optimizer):
    """Steps along the gradient, scaled by the root of the running mean of its square::

        g = dE/dp + weight_decay p
        v = alpha v + (1 - alpha) g^2
        m = alpha m + (1 - alpha) g                     if centered, else m = 0
        b = momentum b + g / (sqrt(v - m^2) + eps)
        p = p - lr b

    Args:
        lr: learning rate, or a schedule: a function from the index of the step (from 0) to a rate.
        alpha: the share of the running means that a step keeps.
        eps: keeps the division finite.
        momentum: 0 for none.
        centered: whether to divide by the gradient's standard deviation.
        weight_decay: weight of the penalty 1/2 |p|^2.
        groups: other settings for some parameters, as for :class:`Optimizer`.

    Raises:
        ValueError: a setting is out of its range.

    Source: Tieleman, Hinton, lecture 6.5 of "Neural networks for machine learning", 2012; centred and with momentum,
    Graves, "Generating sequences with recurrent neural networks", 2013, eq. 38 to 41. Values as PyTorch's.

    >>> RMSprop(0.001, momentum=0.9)
    RMSprop(lr=0.001, weight_decay=0.0, alpha=0.99, eps=1e-08, momentum=0.9, centered=False)
    """

    def __init__(
        self,
        lr: float | Schedule = 0.01,
        alpha: float = 0.99,
        eps: float = 1e-8,
        momentum: float = 0.0,
        centered: bool = False,
        weight_decay: float = 0.0,
        *,
        groups: Groups | None = None,
    ) -> None:
        super().__init__(lr, weight_decay, groups)
        if not (0 <= real(alpha) < 1 and 0 < real(eps) < math.inf and 0 <= real(momentum) < 1):
            raise ValueError(
                f"RMSprop: expected alpha and momentum in [0, 1) and eps > 0, got {alpha}, {momentum} and {eps}"
            )
        self.alpha, self.eps, self.momentum, self.centered = float(alpha), float(eps), float(momentum), centered
        self._slots = ("v", *["m"] * centered, *["b"] * (momentum > 0))

    def _update(self, params: Array, grads: Array, scalars: tuple[Any, ...], *state: Array) -> bool:
        v, *others = state
        m, b = others.pop(0) if self.centered else None, others.pop() if self.momentum else None
        rmsprop(params, grads, v, m, b, scalars[0], self.alpha, self.eps, self.momentum, self.weight_decay)
        return True
