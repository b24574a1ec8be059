"""Gradient descent, optionally with momentum."""

from typing import Any

from ..backend import Array, accelerated
from ..layers.settings import real
from .groups import Groups
from .optimizer import Optimizer
from .schedules import Schedule


@accelerated
def sgd(p: Array, g: Array, v: Array | None, lr: Any, momentum: float, nesterov: bool, weight_decay: float) -> None:
    """:class:`SGD`'s update of the parameters p and the velocity v by the gradient g, which is then cleared."""
    if weight_decay:
        g += weight_decay * p  # g = dE/dp + weight_decay p
    step = g
    if v is not None:
        v *= momentum
        v += g  # v = momentum v + g
        step = g + momentum * v if nesterov else v
    p -= lr * step  # p = p - lr v
    g.fill(0)


class SGD(Optimizer):
    """Gradient descent, W = W - u/N sum_i dE_i/dW in the source document (here the loss has the 1/N), with momentum::

        g = dE/dp + weight_decay p
        v = momentum v + g
        p = p - lr v                        with Nesterov: p - lr (g + momentum v)

    Args:
        lr: learning rate (the document's u), or a schedule: a function from the index of the step (from 0) to a rate.
        momentum: 0 for plain gradient descent.
        nesterov: whether to look ahead along the velocity.
        weight_decay: weight of the penalty 1/2 |p|^2.
        groups: other settings for some parameters, as for :class:`Optimizer`.

    Raises:
        ValueError: a setting is out of its range.

    Source: the source document, "参数更新"; Sutskever et al., "On the importance of initialization and momentum in
    deep learning", 2013.

    >>> SGD(0.1, momentum=0.9)
    SGD(lr=0.1, weight_decay=0.0, momentum=0.9, nesterov=False)
    """

    def __init__(
        self,
        lr: float | Schedule = 0.1,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        *,
        groups: Groups | None = None,
    ) -> None:
        super().__init__(lr, weight_decay, groups)
        if not 0 <= real(momentum) < 1 or (nesterov and momentum == 0):
            raise ValueError(f"SGD: expected 0 <= momentum < 1, above 0 with nesterov, got {momentum}")
        self.momentum, self.nesterov = float(momentum), nesterov
        self._slots = ("velocity",) if momentum else ()

    def _update(self, params: Array, grads: Array, scalars: tuple[Any, ...], *state: Array) -> bool:
        (lr,), velocity = scalars, state[0] if state else None
        sgd(params, grads, velocity, lr, self.momentum, self.nesterov, self.weight_decay)
        return True
