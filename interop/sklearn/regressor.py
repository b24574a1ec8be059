"""The regressor."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score

from ...layers import HalfSquaredError, Huber, Loss, MeanAbsoluteError, PoissonNLL
from .estimator import NetworkEstimator
from .monitors import with_callbacks


@dataclass(eq=False, repr=False, kw_only=True)
class NetworkRegressor(RegressorMixin, NetworkEstimator):
    """A regressor, trained with half the squared error. Arguments and attributes: see :class:`NetworkEstimator`.

    Args:
        loss: "squared_error", "absolute_error", "huber", "poisson" or a loss. With PoissonNLL the network's outputs are
            logarithms, and the predictions are rates above 0.

    >>> from xpnn.interop.sklearn import NetworkRegressor
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> model = NetworkRegressor((32,), epochs=100, learning_rate_init=0.01, random_state=0).fit(X, X[:, 0] ** 2)
    >>> model.score(X, X[:, 0] ** 2) > 0.8
    True
    """

    _losses: ClassVar[dict[str, Callable[[], Loss | None]]] = {
        "squared_error": HalfSquaredError,
        "absolute_error": MeanAbsoluteError,
        "huber": Huber,
        "poisson": PoissonNLL,
    }
    _target_options: ClassVar[dict[str, Any]] = {"multi_output": True, "y_numeric": True}
    _metric = staticmethod(r2_score)

    @with_callbacks
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, *, lengths: Any = None) -> "NetworkRegressor":
        """Train for one epoch, with the network and optimiser of the last call; arguments as for fit."""
        return self._partial_fit(X, y, sample_weight, lengths)

    def predict(self, X: Any, lengths: Any = None) -> np.ndarray:
        """The prediction for each sample, in the shape of the y given to fit."""
        return self._decoded(self._outputs(X, lengths))

    def _learn_targets(self, y: np.ndarray, known: bool) -> None:
        outputs = int(np.prod(y.shape[1:]))
        if known and outputs != getattr(self, "n_outputs_", outputs):
            raise ValueError(f"NetworkRegressor: expected y of {self.n_outputs_} outputs as before, got {outputs}")
        self._loss = self._loss_given() or HalfSquaredError()
        self._target_shape, self.n_outputs_ = y.shape[1:], outputs

    def _encoded(self, y: np.ndarray) -> np.ndarray:
        return y.reshape(len(y), -1).astype(self.model_.dtype)

    def _decoded(self, outputs: np.ndarray) -> np.ndarray:
        if isinstance(self._loss, PoissonNLL) and self._loss.log_input:
            outputs = np.exp(outputs)
        return outputs.reshape(-1, *self._target_shape)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
