"""Networks as scikit-learn estimators, for its pipelines, cross-validation and searches.

    from xpnn.interop.sklearn import NetworkClassifier

    model = make_pipeline(StandardScaler(), NetworkClassifier((64, 32), epochs=20))
    search = GridSearchCV(model, {"networkclassifier__optimizer": [nn.SGD(0.1, momentum=0.9), nn.Adam()]})

Both pass scikit-learn's own checks of an estimator.
"""

import copy
import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError(
        "xpnn.interop.sklearn needs scikit-learn, 1.6 or later: install xpnn's extra [sklearn]"
    ) from error

from .. import training
from ..backend import asarray, to_numpy
from ..layers import Flatten, Layer, Softmax
from ..models import MLP, Sequential

Network: TypeAlias = tuple[int, ...] | Callable[..., Layer]


class NetworkEstimator(BaseEstimator):
    """What :class:`NetworkClassifier` and :class:`NetworkRegressor` share.

    Args:
        network: the sizes of an MLP's hidden layers; or a function ``network(shape, outputs, rng=, dtype=)`` that
            builds a network for samples of this shape: ``lambda shape, k, **options: LeNet5(28, k, **options)``.
        optimizer: by default Adam(). Each fit uses a copy.
        epochs: passes over the data.
        batch_size: samples per step.
        random_state: seed or RandomState of the weights and shuffles.
        verbose: whether to show a progress bar and a line per epoch.

    Attributes:
        model_: the trained network.
        history_: one row per epoch.
        n_features_in_: length of X's second axis.

    Shapes: X (samples, features), or (samples, ...) if the network takes such samples. The network computes in float32
    if X is float32, else in float64.

    Raises:
        ValueError, TypeError: as in scikit-learn for X and y, and as in :func:`xpnn.fit`.
    """

    model_: Layer
    history_: training.History

    def __init__(
        self,
        network: Network = (100,),
        *,
        optimizer: training.Optimizer | None = None,
        epochs: int = 100,
        batch_size: int = 32,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.network = network
        self.optimizer = optimizer
        self.epochs = epochs
        self.batch_size = batch_size
        self.random_state = random_state
        self.verbose = verbose

    def _validated(self, *data: Any, **options: Any) -> Any:
        return validate_data(self, *data, dtype=[np.float64, np.float32], allow_nd=True, **options)

    def _fit(self, X: np.ndarray, y: np.ndarray, outputs: int) -> None:
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31))
        self.model_ = self._network(X.shape[1:], outputs, rng=rng, dtype=X.dtype.name)
        self.history_ = training.fit(
            self.model_, X, y,
            optimizer=copy.deepcopy(self.optimizer),
            epochs=self.epochs,
            batch_size=self.batch_size,
            rng=rng,
            verbose=self.verbose,
        )  # fmt: skip

    def _network(self, shape: tuple[int, ...], outputs: int, **options: Any) -> Layer:
        if callable(self.network):
            return self.network(shape, outputs, **options)
        return Sequential(Flatten(), MLP((math.prod(shape), *self.network, outputs), **options))

    def _outputs(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return training.predict(self.model_, self._validated(X, reset=False))


class NetworkClassifier(ClassifierMixin, NetworkEstimator):
    """A classifier, trained with softmax cross-entropy. Arguments and attributes: see :class:`NetworkEstimator`.

    Attributes:
        classes_: the labels, in the order of the network's outputs.
    """

    def fit(self, X: Any, y: Any) -> "NetworkClassifier":
        """Train a new network on samples X and labels y (samples,)."""
        X, y = self._validated(X, y)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        self._fit(X, labels, len(self.classes_))
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The most likely label of each sample."""
        best = self._outputs(X).argmax(axis=1)
        return self.classes_[best]

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class, (samples, classes), in the order of ``classes_``."""
        logits = self._outputs(X)
        return to_numpy(Softmax()(asarray(logits, logits.dtype)))


class NetworkRegressor(RegressorMixin, NetworkEstimator):
    """A regressor, trained with half the squared error. Arguments and attributes: see :class:`NetworkEstimator`."""

    def fit(self, X: Any, y: Any) -> "NetworkRegressor":
        """Train a new network on samples X and targets y, (samples,) or (samples, targets)."""
        X, y = self._validated(X, y, multi_output=True, y_numeric=True)
        self._target_shape = y.shape[1:]
        targets = y.reshape(len(y), -1).astype(X.dtype)
        self._fit(X, targets, targets.shape[1])
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The prediction for each sample, in the shape of the y given to fit."""
        outputs = self._outputs(X)
        return outputs.reshape(-1, *self._target_shape)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
