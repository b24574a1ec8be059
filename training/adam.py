"""Adam and AdamW."""

import math
from collections.abc import Sequence
from typing import Any

from ..backend import Array, accelerated, xp
from ..layers.settings import real
from .groups import Groups
from .optimizer import Optimizer
from .schedules import Schedule


@accelerated
def adam(
    p: Array, g: Array, m: Array, v: Array, scalars: tuple[Any, ...], betas: tuple[float, float], weight_decay: float
) -> None:
    """Update the parameters p and the running means m and v by the gradient g, and clear g.

    The scalars are those of :meth:`Adam._scalars`: rate and eps, which contain the bias corrections, and shrink, the
    factor of decoupled weight decay.
    """
    (rate, eps, shrink), (beta1, beta2) = scalars, betas
    if weight_decay:
        g += weight_decay * p  # g = dE/dp + weight_decay p
    m *= beta1
    m += (1 - beta1) * g  # m = beta1 m + (1 - beta1) g
    v *= beta2
    v += (1 - beta2) * (g * g)  # v = beta2 v + (1 - beta2) g^2
    p *= shrink  # AdamW: p = p - lr weight_decay p
    p -= rate * (m / (xp.sqrt(v) + eps))  # p = p - lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)
    g.fill(0)


class Adam(Optimizer):
    """Steps along the running mean of the gradient, scaled by that of its square; t counts the steps from 1::

        g = dE/dp + weight_decay p
        m = beta1 m + (1 - beta1) g                     v = beta2 v + (1 - beta2) g^2
        p = p - lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)

    Args:
        lr: learning rate, or a schedule: a function from the index of the step (from 0) to a rate.
        betas: (beta1, beta2).
        eps: keeps the division finite.
        weight_decay: weight of the penalty 1/2 |p|^2, whose gradient enters m and v.
        groups: other settings for some parameters, as for :class:`Optimizer`.

    Raises:
        ValueError: a setting is out of its range.

    Source: Kingma, Ba, "Adam", 2015.

    >>> Adam(CosineDecay(0.001, steps=1_000)).rate
    0.001
    """

    _slots = ("m", "v")
    _decoupled = False

    def __init__(
        self,
        lr: float | Schedule = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        groups: Groups | None = None,
    ) -> None:
        super().__init__(lr, weight_decay, groups)
        two = isinstance(betas, Sequence) and len(betas) == 2 and all(0 <= real(beta) < 1 for beta in betas)
        if not (two and 0 < real(eps) < math.inf):
            raise ValueError(f"{type(self).__name__}: expected two betas in [0, 1) and eps > 0, got {betas}, {eps}")
        self.betas, self.eps = betas, eps

    def _scalars(self) -> tuple[float, ...]:
        """lr c / (1 - beta1^t) and eps c with c = sqrt(1 - beta2^t), the step expanded by c / c; and p's factor."""
        (beta1, beta2), t = self.betas, self.steps + 1
        c = (1 - beta2**t) ** 0.5
        shrink = 1 - self.rate * self.weight_decay if self._decoupled else 1.0
        return self.rate * c / (1 - beta1**t), self.eps * c, shrink

    def _update(self, params: Array, grads: Array, scalars: tuple[Any, ...], *state: Array) -> bool:
        m, v = state
        adam(params, grads, m, v, scalars, self.betas, 0.0 if self._decoupled else self.weight_decay)
        return True


class AdamW(Adam):
    """Adam with decoupled weight decay: p = p - lr weight_decay p, then Adam's step without the penalty.

    Arguments as for :class:`Adam`. Source: Loshchilov, Hutter, "Decoupled weight decay regularization", 2019.

    >>> AdamW(0.001, weight_decay=0.05)
    AdamW(lr=0.001, weight_decay=0.05, betas=(0.9, 0.999), eps=1e-08)
    """

    _decoupled = True

    def __init__(
        self,
        lr: float | Schedule = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        *,
        groups: Groups | None = None,
    ) -> None:
        super().__init__(lr, betas, eps, weight_decay, groups=groups)
