"""Optimisers: a few operations on the model's flat parameter vector."""

import math
import weakref
from numbers import Real
from typing import Any

from ..backend import Array, axpby, cache_blocks, fused, xp
from ..layers import Layer, Parameters
from .schedules import Schedule


class Optimizer:
    """Holds its state for one model; ``step(model)`` updates the parameters and clears the gradients.

    A copy goes on with whichever model it is given first. A step is ``update`` with the numbers of ``scalars`` and a
    count. ``update`` computes on the device alone, so that a captured step may hold it; what it needs of the host that
    changes from step to step comes in as a scalar.

    A subclass says in ``_update`` how the parameters follow from the gradients, and in ``_slots`` what the vectors are
    called that it keeps from step to step; those are saved with a model.

    Attributes:
        lr: the learning rate, a number or a :data:`Schedule`.
        steps: how many steps were made.
    """

    _slots: tuple[str, ...] = ()  # what the vectors of the state are called

    def __init__(self, lr: float | Schedule, weight_decay: float = 0.0) -> None:
        if isinstance(lr, Layer) or not (callable(lr) or (isinstance(lr, Real) and 0 < lr < math.inf)):
            raise ValueError(f"{type(self).__name__}: expected a finite lr > 0 or a schedule, got {lr!r}")
        if not 0 <= weight_decay < math.inf:
            raise ValueError(f"{type(self).__name__}: expected a finite weight_decay >= 0, got {weight_decay}")
        self.lr, self.weight_decay = lr, float(weight_decay)
        self.steps = 0
        self._state: Parameters | None = None
        self._model: weakref.ref[Layer] | None = None

    def __repr__(self) -> str:
        settings = {key: value for key, value in vars(self).items() if key != "steps" and not key.startswith("_")}
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in settings.items())})"

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        return self.lr(self.steps) if callable(self.lr) else self.lr

    def step(self, model: Layer) -> None:
        """Update the model's parameters from its gradients, then set the gradients to 0.

        Raises:
            ValueError: the state belongs to another model.
        """
        if not self.update(model, *self.scalars()):
            model.zero_grad()
        self.steps += 1

    def scalars(self) -> tuple[float, ...]:
        """The numbers that the next update takes: the learning rate, and what else changes from step to step."""
        return (self.rate,)

    def update(self, model: Layer, *scalars: Any) -> bool | None:
        """What a step computes, without its count; True where the gradients were set to 0 on the way.

        The scalars are numbers or 0-d arrays of the backend.
        """
        params, grads = model.gather()
        state = self.state(params)
        if self._model is None or self._model() is not model:
            self._take(model)
        return self._update(params, grads, scalars, *state.values())

    def _take(self, model: Layer) -> None:
        """Be the model's from now on; an error where that would go on from another's steps."""
        if self._model is not None and self.steps and (self._slots or callable(self.lr)):
            raise ValueError(
                f"{type(self).__name__}: it has made {self.steps} steps of another model: each model needs an "
                "optimiser of its own (and each model[2:] is a new model), or a copy.deepcopy of one to go on from"
            )
        model.check_leaves()
        self._model = weakref.ref(model)

    def resume(self, steps: int) -> None:
        """Go on after so many steps, with whichever model comes next."""
        self.steps, self._model = steps, None

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_model": None}

    def state(self, params: Array) -> Parameters:
        """The vectors that are kept from step to step, by name, each of the parameters' length; 0 before the first.

        Args:
            params: the model's ``flat_params``.

        Raises:
            ValueError: the state belongs to a model of another size.
        """
        others = [v for v in (self._state or {}).values() if (v.shape, v.dtype) != (params.shape, params.dtype)]
        if others and self.steps:
            raise ValueError(
                f"{type(self).__name__}: its state is for {others[0].size} parameters, the model has {params.size} "
                f"({others[0].dtype} and {params.dtype}): each model needs an optimiser of its own"
            )
        if others or self._state is None:
            self._state = Parameters({name: xp.zeros_like(params) for name in self._slots})
        return self._state

    def _update(self, params: Array, grads: Array, scalars: tuple[Any, ...], *state: Array) -> bool | None:
        """Update the parameters and the state, all of them vectors; the rest as for :meth:`update`."""
        raise NotImplementedError


class SGD(Optimizer):
    """Gradient descent, the seed's W = W - u/N sum_i dE_i/dW (the 1/N is the loss's), with momentum where wanted.

    ::

        g = dE/dp + weight_decay p
        v = momentum v + g
        p = p - lr v                        with Nesterov: p - lr (g + momentum v)

    Args:
        lr: learning rate (the seed's u), or a schedule: a function from the step's number, from 0, to a rate.
        momentum: 0 for plain gradient descent.
        nesterov: look ahead along the velocity.
        weight_decay: weight of the penalty 1/2 |p|^2.

    Source: the seed, "参数更新"; Sutskever et al., "On the importance of initialization and momentum
    in deep learning", 2013.
    """

    def __init__(
        self,
        lr: float | Schedule = 0.1,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(lr, weight_decay)
        if not 0 <= momentum < 1 or (nesterov and momentum == 0):
            raise ValueError(f"SGD: expected 0 <= momentum < 1, above 0 with nesterov, got {momentum}")
        self.momentum, self.nesterov = float(momentum), nesterov
        self._slots = ("velocity",) if momentum else ()

    def _update(self, params: Array, grads: Array, scalars: tuple[Any, ...], *state: Array) -> bool:
        (rate,), velocity = scalars, state[0] if state else None
        return sgd(params, grads, velocity, rate, self.momentum, self.nesterov, self.weight_decay)


@fused
def sgd(
    params: Array,
    grads: Array,
    velocity: Array | None,
    rate: Any,
    momentum: float,
    nesterov: bool,
    weight_decay: float,
) -> bool:
    """:class:`SGD`'s update, for which the gradients may serve as scratch; whether they were set to 0 then."""
    if weight_decay:
        axpby(weight_decay, params, 1, grads)  # g = dE/dp + weight_decay p
    direction = grads
    if velocity is not None:
        axpby(1, grads, momentum, velocity)  # v = g + momentum v
        if nesterov:
            axpby(momentum, velocity, 1, grads)
        else:
            direction = velocity
    axpby(-rate, direction, 1, params)  # p = p - lr v
    return False


class Adam(Optimizer):
    """Steps scaled by running means of the gradient and of its square.

    ::

        g = dE/dp + weight_decay p
        m = beta1 m + (1 - beta1) g                     v = beta2 v + (1 - beta2) g^2
        p = p - lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)

    Args:
        lr: learning rate, or a schedule: a function from the step's number, from 0, to a rate.
        betas: (beta1, beta2).
        eps: keeps the division finite.
        weight_decay: weight of the penalty 1/2 |p|^2, which goes through m and v.

    Source: Kingma, Ba, "Adam", 2015.
    """

    _slots = ("m", "v")

    def __init__(
        self,
        lr: float | Schedule = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(lr, weight_decay)
        if not (len(betas) == 2 and all(0 <= beta < 1 for beta in betas) and 0 < eps < math.inf):
            raise ValueError(f"{type(self).__name__}: expected two betas in [0, 1) and eps > 0, got {betas}, {eps}")
        self.betas, self.eps = betas, eps

    def scalars(self) -> tuple[float, ...]:
        """lr c / (1 - beta1^t) and eps c with c = sqrt(1 - beta2^t): the step's fraction, extended by c."""
        (beta1, beta2), t = self.betas, self.steps + 1
        c = (1 - beta2**t) ** 0.5
        return self.rate * c / (1 - beta1**t), self.eps * c

    def _update(self, params: Array, grads: Array, scalars: tuple[Any, ...], *state: Array) -> bool:
        (rate, eps), (m, v) = scalars, state
        return adam(params, grads, m, v, rate, eps, None, self.betas, self.weight_decay)


@fused
def adam(
    params: Array,
    grads: Array,
    m: Array,
    v: Array,
    rate: Any,
    eps: Any,
    shrink: Any,
    betas: tuple[float, float],
    weight_decay: float,
) -> bool:
    """:class:`Adam`'s update, from shrink p for :class:`AdamW`; the gradients end as in :func:`sgd`.

    rate and eps are Adam's scalars; shrink may be None, and is where weight_decay is not 0. In parts that stay in a
    CPU's caches.
    """
    beta1, beta2 = betas
    for part in cache_blocks(params.size):
        p, g, mean, square = params[part], grads[part], m[part], v[part]
        if weight_decay:
            axpby(weight_decay, p, 1, g)
        axpby(1 - beta1, g, beta1, mean)
        g *= g
        axpby(1 - beta2, g, beta2, square)
        xp.sqrt(square, out=g)  # g has served; from here on it is scratch
        g += eps
        xp.divide(mean, g, out=g)
        axpby(-rate, g, 1 if shrink is None else shrink, p)
    return False


class AdamW(Adam):
    """Adam with the decay applied to the parameters themselves: p = p - lr weight_decay p, then Adam's step.

    Arguments as for :class:`Adam`. Source: Loshchilov, Hutter, "Decoupled weight decay regularization", 2019.
    """

    def __init__(
        self,
        lr: float | Schedule = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(lr, betas, eps, weight_decay)

    def scalars(self) -> tuple[float, ...]:
        """Adam's two, and 1 - lr weight_decay."""
        return (*super().scalars(), 1 - self.rate * self.weight_decay)

    def _update(self, params: Array, grads: Array, scalars: tuple[Any, ...], *state: Array) -> bool:
        (rate, eps, shrink), (m, v) = scalars, state
        return adam(params, grads, m, v, rate, eps, shrink, self.betas, 0.0)


def clip_grad_norm(model: Layer, max_norm: float) -> Array:
    """Scale the model's gradients so that their Euclidean norm is at most ``max_norm``.

    ::

        g = g min(1, max_norm / (|g| + 1e-6))

    Returns:
        The norm before, a scalar of the backend (on a device a 0-d array, not fetched).

    Raises:
        ValueError: max_norm is not above 0.

    Source: Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural networks", 2013.
    """
    if not max_norm > 0:
        raise ValueError(f"clip_grad_norm: expected max_norm > 0, got {max_norm}")
    grads = model.gather()[1]
    norm = xp.sqrt(grads @ grads)
    grads *= xp.minimum(1.0, max_norm / (norm + 1e-6))
    return norm
