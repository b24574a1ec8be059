"""Minimisers of the loss: the optimisers that MLPClassifier names, and L-BFGS."""

import copy
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import scipy.optimize

from ...backend import asarray, to_numpy
from ...layers import Layer, Loss
from ...training import SGD, Adam, Callback, EarlyStopping, History, Optimizer, ReduceLROnPlateau
from ...training.callbacks import Callbacks, Run, listed
from ...training.given import source_of
from ...training.score import Sums
from ...training.steps import fit_targets
from .settings import Settings, one_of


def optimizer_of(settings: Settings, samples: int, weights: "np.ndarray | None" = None) -> Optimizer | None:
    """A new optimiser by its name, or a copy of the one given; None for L-BFGS, which is not an optimiser of xpnn's.

    As in scikit-learn, the penalty alpha/2 |W|^2 is added to a batch's sum of losses. In xpnn this is a weight_decay of
    alpha / batch size; with sample weights, of alpha / (the average sum of a batch's weights).
    """
    given, alpha = settings._setting("optimizer"), settings.alpha
    size = settings._size_of_batch(samples) * (1 if weights is None else float(weights.mean()) or 1)
    if isinstance(given, Optimizer):
        if changed := settings._changed():
            raise ValueError(
                f"{type(settings).__name__}: {', '.join(changed)} are for an optimiser given by name, such as 'adam': "
                f"set them in {given!r}"
            )
        optimizer = copy.deepcopy(given)
        if alpha is not None:
            optimizer.weight_decay = alpha / size
        return optimizer
    decay = _alpha(settings) / size
    makers: dict[str, Any] = {
        "lbfgs": lambda: None,
        "adam": lambda: Adam(
            settings.learning_rate_init, (settings.beta_1, settings.beta_2), settings.epsilon, weight_decay=decay
        ),
        "sgd": lambda: SGD(
            _rate(settings, samples),
            settings.momentum,
            nesterov=settings.nesterovs_momentum and settings.momentum > 0,
            weight_decay=decay,
        ),
    }
    return one_of(makers, "optimizer", given or "adam")()


def _alpha(settings: Settings) -> float:
    return 1e-4 if settings.alpha is None else settings.alpha


def _rate(settings: Settings, samples: int) -> Any:
    """The learning rate, a number or a schedule."""
    if settings.learning_rate != "invscaling":
        return settings.learning_rate_init
    steps = -(-samples // settings._size_of_batch(samples))
    rate, power = settings.learning_rate_init, settings.power_t
    return partial(inverse_scaling, lr=rate, power=power, samples=samples, steps=steps)


def inverse_scaling(step: int, lr: float, power: float, samples: int, steps: int) -> float:
    """lr / (1 + the samples seen before this epoch)^power."""
    return lr / (1 + samples * (step // steps)) ** power


def stopping(settings: Settings, monitor: str) -> Callback:
    """A callback for when progress stops: it ends training, or divides an adaptive rate by 5."""
    patience: Any = settings.n_iter_no_change
    if settings.learning_rate == "adaptive" and settings._setting("optimizer") == "sgd":
        return ReduceLROnPlateau(monitor, factor=0.2, patience=patience, min_delta=settings.tol, min_lr=1e-6)
    return EarlyStopping(monitor, patience, settings.tol, restore_best=monitor != "loss")


class Objective:
    """The loss of all samples and the penalty, alpha/2 |W|^2 / (sum of weights), as a function of the parameters p::

        E(p) + 1/2 sum_i d_i p_i^2,    its gradient dE/dp + d p,    d_i = alpha / (sum of weights), 0 for a bias

    Args:
        model: the model, whose parameters change.
        loss: the model's loss.
        data: x, y, weights, lengths; the last two may be None.
        alpha: weight of the penalty.
    """

    def __init__(self, model: Layer, loss: Loss, data: tuple[Any, ...], alpha: float) -> None:
        x, y, weights, lengths = data
        source = source_of("fit", model, x, y, weights, lengths)
        fit_targets(source, model, loss)
        self._model, self._loss = model, loss
        self._batch = next(source.pass_over(source.samples or 1))
        self._d = np.concatenate([np.full(p.size, float(p.ndim > 1)) for p in model.params.values()])
        self._d *= alpha / (len(self._batch) if weights is None else float(weights.sum()))

    def __call__(self, p: np.ndarray) -> tuple[float, np.ndarray]:
        """The value and its gradient."""
        self.move(p)
        outputs, backward = self._batch.forward(self._model)
        value, loss_backward = self._loss.forward(outputs, *self._batch.targets)
        backward(loss_backward())
        gradient = to_numpy(self._model.flat_grads).astype("float64") + self._d * p
        self._model.zero_grad()
        return float(value) + self.penalty(p), gradient

    def move(self, p: np.ndarray) -> None:
        """Set the model's parameters."""
        self._model.flat_params[...] = asarray(p, self._model.dtype)

    def penalty(self, p: np.ndarray) -> float:
        """The penalty's contribution to the value."""
        return 0.5 * float(self._d @ (p * p))


def lbfgs(
    settings: Settings, model: Layer, loss: Loss, data: tuple[Any, ...], callbacks: Sequence[Callback]
) -> History:
    """Minimise an :class:`Objective` by SciPy's L-BFGS-B; each iteration adds a row and notifies the callbacks."""
    objective, history = Objective(model, loss, data, _alpha(settings)), History()
    told = Callbacks(listed(callbacks), Sums())

    def iteration(intermediate_result: Any) -> None:  # SciPy requires this name of the argument
        p = intermediate_result.x
        objective.move(p)
        history.append(row := {"epoch": len(history) + 1, "loss": intermediate_result.fun - objective.penalty(p)})
        told.epoch_end(len(history), row)
        if run.stop_training:
            raise StopIteration
        if len(history) < run.epochs:
            told.epoch(len(history) + 1, 1)

    run = told.begin(Run(model, SGD(1.0), loss, history, settings._setting("epochs")))
    told.epoch(1, 1)
    found = scipy.optimize.minimize(
        objective, to_numpy(model.flat_params).astype("float64"), method="L-BFGS-B", jac=True, callback=iteration,
        options={"maxiter": run.epochs, "maxfun": settings.max_fun, "gtol": settings.tol},
    )  # fmt: skip
    objective.move(found.x)
    told.end()
    return history
