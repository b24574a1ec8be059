"""The base class of optimisers, which update the model's flat parameter vector."""

import math
import weakref
from numbers import Real
from types import MappingProxyType
from typing import Any

from ..backend import Array, accelerated, xp
from ..layers import Layer
from ..layers.parameters import Parameters
from ..layers.settings import real
from ..layers.tree import check_leaves
from .groups import Groups, Placed, check_groups, combinations, placed
from .schedules import Schedule


class Optimizer:
    """Holds the state for one model; ``step(model)`` updates the parameters and clears the gradients.

    A copy continues with the first model that it is given. A step calls ``update`` with the values of ``scalars`` and
    increments ``steps``. ``update`` computes on the device only, so that it can be captured: anything on the host that
    changes from step to step must be one of the scalars. A subclass defines ``_update``, which computes the new
    parameters from the gradients; ``_slots``, the names of the vectors that it keeps from step to step, which are saved
    with a model; and ``_scalars``, if more than the rate changes. These need not handle groups and frozen layers:
    ``_update`` is called for each slice of the vectors with the same settings, and for no frozen one.

    Frozen layers (:attr:`Layer.trainable`) keep their parameters and optimiser state. For a layer that is trained again
    the step count goes on, as in Keras: Adam then corrects no bias, so a new optimiser may be better.

    Attributes:
        lr: the learning rate, a number or a :data:`Schedule`.
        weight_decay: weight of the penalty on the parameters.
        groups: for patterns of parameter names (``*`` for any characters), settings that differ: ``lr_factor``, which
            multiplies the rate, and ``weight_decay``. If several patterns fit, the last one counts.
        steps: the number of steps made.

    Raises:
        ValueError: a setting is out of its range; in a step, a pattern fits no parameter, or every layer is frozen.

    >>> model, optimizer = Dense(3, 2, rng=0), SGD(0.1)
    >>> y, backward = model.forward(asarray(np.ones((4, 3))))
    >>> dx = backward(y)
    >>> optimizer.step(model)

    No weight decay for biases, and a tenth of the rate for the first layer of a Sequential:

    >>> AdamW(0.001, groups={"*.b": {"weight_decay": 0.0}, "0.*": {"lr_factor": 0.1}}).rate
    0.001
    """

    _slots: tuple[str, ...] = ()  # the names of the state's vectors
    lr: float | Schedule
    lr_factor = 1.0  # groups may set another
    # before the first step, also in a subclass whose constructor does not call Optimizer's
    weight_decay = 0.0
    groups: Groups = MappingProxyType({})
    steps = 0
    _state: Parameters | None = None
    _model: weakref.ref[Layer] | None = None
    _placed: Placed | None = None

    def __init__(self, lr: float | Schedule, weight_decay: float = 0.0, groups: Groups | None = None) -> None:
        if isinstance(lr, Layer) or not (callable(lr) or (isinstance(lr, Real) and 0 < lr < math.inf)):
            raise ValueError(f"{type(self).__name__}: expected a finite lr > 0 or a schedule, got {lr!r}")
        if not 0 <= real(weight_decay) < math.inf:
            raise ValueError(f"{type(self).__name__}: expected a finite weight_decay >= 0, got {weight_decay!r}")
        self.lr, self.weight_decay = lr, float(weight_decay)
        self.groups = check_groups(type(self).__name__, groups or {})

    def __repr__(self) -> str:
        settings = {key: value for key, value in vars(self).items() if key != "steps" and not key.startswith("_")}
        settings = {key: value for key, value in settings.items() if key != "groups" or value}
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in settings.items())})"

    @property
    def rate(self) -> float:
        """The next step's learning rate; TypeError or ValueError if the schedule gives no number of at least 0."""
        rate: Any = self.lr(self.steps) if callable(self.lr) else self.lr
        try:
            rate = float(rate.item() if hasattr(rate, "item") else rate)  # an array of one element is a number, too
        except (TypeError, ValueError) as error:
            name = type(self).__name__
            raise TypeError(
                f"{name}: expected the schedule to give a number, got {rate!r} for step {self.steps}"
            ) from error
        if not 0 <= rate < math.inf:
            raise ValueError(f"{type(self).__name__}: expected a rate of at least 0, got {rate} for step {self.steps}")
        return rate * self.lr_factor

    def step(self, model: Layer) -> None:
        """Update the model's parameters from its gradients, then set the gradients to 0.

        Raises:
            ValueError: the state belongs to another model, or the groups or the frozen layers leave nothing to train.
        """
        if not self.update(model, *self.scalars()):
            model.zero_grad()
        self.steps += 1

    def scalars(self) -> tuple[float, ...]:
        """The next update's values that change from step to step, for each combination of the groups' settings."""
        if not self.groups:
            return self._scalars()
        return tuple(number for one in self._combinations() for number in one._scalars())

    def _scalars(self) -> tuple[float, ...]:
        """The learning rate, and other values that change from step to step."""
        return (self.rate,)

    def _combinations(self) -> list["Optimizer"]:
        """A copy of the optimiser for each combination of the groups' settings."""
        combined = []
        for settings in combinations(self.groups):
            one = object.__new__(type(self))  # does what copy.copy does, in a tenth of the time
            vars(one).update(vars(self) | settings)
            combined.append(one)
        return combined

    def placed(self, model: Layer) -> Placed:
        """The model's vectors, divided by settings. Errors as for :meth:`step`.

        A new object is returned if they have moved or a layer was frozen: a captured step must then be recorded again.
        """
        flat, trainable = model.gather(), [leaf.trainable for leaf in model._gathered]
        if self._placed is None or self._placed.flat is not flat or self._placed.trainable != trainable:
            if self._model is None or self._model() is not model:
                self._take(model)
            self._placed = placed(type(self).__name__, model, self.groups)
        return self._placed

    def update(self, model: Layer, *scalars: Any) -> bool | None:
        """A step that is not counted, with scalars as numbers or 0-d arrays; True if it has cleared the gradients."""
        return self.update_placed(self.placed(model), *scalars)

    def update_placed(self, place: Placed, *scalars: Any) -> bool | None:
        """:meth:`update` for a caller that already has the result of :meth:`placed`."""
        (params, grads), _, slices = place
        state = self.state(params)
        if not self.groups and len(slices) == 1:
            return self._update(params, grads, scalars, *state.values())
        ones, cleared = self._combinations(), True
        count = len(scalars) // len(ones)
        for part, i in slices:
            p, g, *vectors = (vector[part] for vector in (params, grads, *state.values()))
            if i is None:
                g.fill(0)
            elif not ones[i]._update(p, g, scalars[i * count : (i + 1) * count], *vectors):
                cleared = False
        return cleared

    def _take(self, model: Layer) -> None:
        """Adopt this model; raises if the state comes from another model's steps."""
        if self._model is not None and self.steps and (self._slots or callable(self.lr)):
            raise ValueError(
                f"{type(self).__name__}: it has made {self.steps} steps of another model: each model needs an "
                "optimiser of its own (each model[2:] is a new model), or a copy.deepcopy of one to continue from"
            )
        check_leaves(model)
        self._model = weakref.ref(model)

    def resume(self, steps: int) -> None:
        """Continue after this number of steps, with the next model given."""
        self.steps, self._model, self._placed = steps, None, None

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_model": None, "_placed": None}

    def state(self, params: Array) -> Parameters:
        """The vectors kept from step to step, by name, each as long as ``params`` (the flat_params); initially 0.

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
        """Update a slice of the vectors of parameters and state, by numbers or 0-d arrays in the order of ``_scalars``.

        Returns True if it has cleared the gradients.
        """
        raise NotImplementedError(f"{type(self).__name__}: expected a method _update(params, grads, scalars, *state)")


def clip_grad_norm(model: Layer, max_norm: float) -> Array:
    """Scale the model's gradients so that their Euclidean norm is at most ``max_norm``::

        g = g min(1, max_norm / (|g| + 1e-6))

    The gradients of frozen layers are first set to 0, so they do not count.

    Returns the norm before clipping, a scalar of the backend (on a device a 0-d array).

    Raises:
        ValueError: max_norm is not above 0.

    Source: Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural networks", 2013.

    >>> layer = Dense(3, 1)
    >>> layer.grads["b"] = [5.0]
    >>> float(clip_grad_norm(layer, max_norm=1.0)), float(layer.grads["b"][0].round(3))
    (5.0, 1.0)
    """
    if not real(max_norm) > 0:
        raise ValueError(f"clip_grad_norm: expected max_norm > 0, got {max_norm!r}")
    grads = model.gather()[1]
    for _, leaf in model.leaves():
        if not leaf.trainable:
            leaf.grads.clear()
    norm = euclidean_norm(grads)
    grads *= xp.minimum(1.0, max_norm / (norm + 1e-6))
    return norm


@accelerated
def euclidean_norm(g: Array) -> Array:
    """The norm |g| of a vector."""
    norm: Array = xp.sqrt(g @ g)
    return norm
