"""The base class of optimisers, which update the model's flat parameter vector."""

import math
import weakref
from numbers import Real
from typing import Any

from ..backend import Array, accelerated, xp
from ..layers import Layer
from ..layers.parameters import Parameters
from .schedules import Schedule


class Optimizer:
    """Holds the state for one model; ``step(model)`` updates the parameters and clears the gradients.

    A copy continues with the first model that it is given. A step calls ``update`` with the numbers of ``scalars`` and
    is counted. ``update`` computes on the device only, so that it can be captured: whatever changes on the host from
    step to step must be one of the scalars. A subclass defines ``_update``, the new parameters from the gradients, and
    ``_slots``, the names of the vectors that it keeps from step to step, which are saved with a model.

    Attributes:
        lr: the learning rate, a number or a :data:`Schedule`.
        steps: the number of steps made.

    >>> model, optimizer = Dense(3, 2, rng=0), SGD(0.1)
    >>> y, backward = model.forward(asarray(np.ones((4, 3))))
    >>> dx = backward(y)
    >>> optimizer.step(model)
    """

    _slots: tuple[str, ...] = ()  # the names of the state's vectors

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
        """The learning rate of the next step; TypeError if the schedule gives no number."""
        rate: Any = self.lr(self.steps) if callable(self.lr) else self.lr
        try:
            return float(rate.item() if hasattr(rate, "item") else rate)  # an array of one element is a number, too
        except (TypeError, ValueError) as error:
            name = type(self).__name__
            raise TypeError(
                f"{name}: expected the schedule to give a number, got {rate!r} for step {self.steps}"
            ) from error

    def step(self, model: Layer) -> None:
        """Update the model's parameters from its gradients, then set the gradients to 0.

        Raises:
            ValueError: the state belongs to another model.
        """
        if not self.update(model, *self.scalars()):
            model.zero_grad()
        self.steps += 1

    def scalars(self) -> tuple[float, ...]:
        """The numbers for the next update: the learning rate, and others that change from step to step."""
        return (self.rate,)

    def update(self, model: Layer, *scalars: Any) -> bool | None:
        """A step that is not counted, from numbers or 0-d arrays; True if it has cleared the gradients."""
        params, grads = model.gather()
        state = self.state(params)
        if self._model is None or self._model() is not model:
            self._take(model)
        return self._update(params, grads, scalars, *state.values())

    def _take(self, model: Layer) -> None:
        """Take this model; raises if the state comes from another model's steps."""
        if self._model is not None and self.steps and (self._slots or callable(self.lr)):
            raise ValueError(
                f"{type(self).__name__}: it has made {self.steps} steps of another model: each model needs an "
                "optimiser of its own (and each model[2:] is a new model), or a copy.deepcopy of one to go on from"
            )
        model.check_leaves()
        self._model = weakref.ref(model)

    def resume(self, steps: int) -> None:
        """Continue after so many steps, with the next model given."""
        self.steps, self._model = steps, None

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_model": None}

    def state(self, params: Array) -> Parameters:
        """The vectors kept from step to step, by name, of the length of ``params`` (the flat_params); initially 0.

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
        """Update the vectors of parameters and state; scalars and result as for :meth:`update`."""
        raise NotImplementedError


def clip_grad_norm(model: Layer, max_norm: float) -> Array:
    """Scale the model's gradients so that their Euclidean norm is at most ``max_norm``::

        g = g min(1, max_norm / (|g| + 1e-6))

    Returns the norm before clipping, a scalar of the backend (on a device a 0-d array).

    Raises:
        ValueError: max_norm is not above 0.

    Source: Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural networks", 2013.

    >>> layer = Dense(3, 1)
    >>> layer.grads["b"] = [5.0]
    >>> float(clip_grad_norm(layer, max_norm=1.0)), float(layer.grads["b"][0].round(3))
    (5.0, 1.0)
    """
    if not max_norm > 0:
        raise ValueError(f"clip_grad_norm: expected max_norm > 0, got {max_norm}")
    grads = model.gather()[1]
    norm = euclidean_norm(grads)
    grads *= xp.minimum(1.0, max_norm / (norm + 1e-6))
    return norm


@accelerated
def euclidean_norm(g: Array) -> Array:
    """|g| of a vector."""
    norm: Array = xp.sqrt(g @ g)
    return norm
