"""Callbacks of an estimator's training: its score on held-out data, and scikit-learn's own callbacks."""

import copy
from collections.abc import Callable
from typing import Any, TypeVar

from ...layers import Layer
from ...training import Callback

try:
    import sklearn.callback as _theirs  # since scikit-learn 1.9
except ImportError:
    _theirs = None

CallbackSupportMixin: Any = object if _theirs is None else _theirs.CallbackSupportMixin
"""The mixin that gives an estimator ``set_callbacks``."""

Method = TypeVar("Method", bound=Callable[..., Any])


def with_callbacks(method: Method) -> Method:
    """The method, followed by the notice of its end to the callbacks of ``set_callbacks``."""
    return method if _theirs is None else _theirs.with_callbacks(method)


class HeldOutScore(Callback):
    """Adds a score of the model to each epoch's row, as ``val_score``."""

    def __init__(self, score: Callable[[Layer], float]) -> None:
        self._score = score

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        logs["val_score"] = float(self._score(self.model))


class Tasks(Callback):
    """Notifies the callbacks of ``set_callbacks`` of the run and each epoch, by scikit-learn's own protocol.

    Args:
        estimator: the estimator that is trained.
        epochs: the most epochs.
        data: X, y and metadata, such as sample weights.
    """

    def __init__(self, estimator: Any, epochs: int, **data: Any) -> None:
        self._told = {"estimator": estimator, **data}
        self._fit = estimator._init_callback_context(max_subtasks=epochs)

    def _now(self) -> dict[str, Any]:
        """The attributes that turn a copy of the estimator into one trained up to now."""
        return {"model_": copy.deepcopy(self.model), "history_": copy.copy(self.run.history)}

    def on_train_begin(self) -> None:
        self._fit.call_on_fit_task_begin(**self._told)

    def on_epoch_begin(self, epoch: int) -> None:
        self._epoch = self._fit.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(**self._told, reconstruction_attributes=self._now)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> bool:
        return bool(self._epoch.call_on_fit_task_end(**self._told, reconstruction_attributes=self._now))

    def on_train_end(self) -> None:
        self._fit.call_on_fit_task_end(**self._told, reconstruction_attributes=self._now)
