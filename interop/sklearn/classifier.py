"""The classifier."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import _check_partial_fit_first_call, check_classification_targets, is_multilabel

from ...layers import BinaryCrossEntropy, Loss, SoftmaxCrossEntropy
from .estimator import NetworkEstimator
from .monitors import with_callbacks


@dataclass(eq=False, repr=False, kw_only=True)
class NetworkClassifier(ClassifierMixin, NetworkEstimator):
    """A classifier, trained with softmax cross-entropy. Arguments and attributes: see :class:`NetworkEstimator`.

    If y has several columns of 0 and 1, each column is a separate label, trained with binary cross-entropy.

    Args:
        loss: "log_loss" or a loss. With ``BinaryCrossEntropy(pos_weight=5)`` for two classes, the network has one
            output.
        class_weight: "balanced", or a dict from label to the weight of its samples, as in scikit-learn.

    Attributes:
        classes_: the labels, in the order of the network's outputs.

    >>> from sklearn.datasets import load_wine
    >>> from xpnn.interop.sklearn import NetworkClassifier
    >>> X, y = load_wine(return_X_y=True)
    >>> X = (X - X.mean(0)) / X.std(0)
    >>> model = NetworkClassifier((32,), epochs=5, random_state=0).fit(X, y)
    >>> model.predict_proba(X[:2]).shape, len(model.loss_curve_)
    ((2, 3), 5)
    """

    class_weight: Any = None

    _losses: ClassVar[dict[str, Callable[[], Loss | None]]] = {"log_loss": lambda: None}
    _target_options: ClassVar[dict[str, Any]] = {"multi_output": True}
    _metric = staticmethod(accuracy_score)

    @with_callbacks
    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None, *, lengths: Any = None
    ) -> "NetworkClassifier":
        """Train for one epoch, with the network and optimiser of the last call; arguments as for fit.

        Args:
            classes: all labels that will occur; required in the first call.
        """
        if self.class_weight == "balanced":
            raise ValueError(
                "NetworkClassifier: class_weight='balanced' needs all labels at once, not partial_fit: give a dict, or "
                "sample_weight"
            )
        _check_partial_fit_first_call(self, classes)
        return self._partial_fit(X, y, sample_weight, lengths)

    def predict(self, X: Any, lengths: Any = None) -> np.ndarray:
        """The most likely label of each sample, (samples,); for several labels, 0 or 1 for each, (samples, labels)."""
        return self._decoded(self._outputs(X, lengths))

    def predict_proba(self, X: Any, lengths: Any = None) -> np.ndarray:
        """The probability of each class, (samples, classes), in the order of ``classes_``."""
        return self._probabilities(self._outputs(X, lengths), softmax, expit)

    def predict_log_proba(self, X: Any, lengths: Any = None) -> np.ndarray:
        """The logarithms of :meth:`predict_proba`, finite even if a probability is too small for its dtype."""
        return self._probabilities(self._outputs(X, lengths), log_softmax, log_expit)

    def _probabilities(self, z: np.ndarray, of_classes: Any, of_labels: Any) -> np.ndarray:
        if not isinstance(self._loss, BinaryCrossEntropy):
            return of_classes(z, axis=1)
        return of_labels(z if self._multilabel else np.concatenate([-z, z], axis=1))

    def _learn_targets(self, y: np.ndarray, known: bool) -> None:
        check_classification_targets(y)
        self._multilabel = y.ndim > 1
        if self._multilabel and not is_multilabel(y):
            raise ValueError("NetworkClassifier: Multioutput target data is not supported, except columns of 0 and 1")
        classes = np.arange(y.shape[1]) if self._multilabel else np.unique(y)
        if not known:
            self.classes_ = classes
        elif len(others := np.setdiff1d(classes, self.classes_)):
            raise ValueError(f"NetworkClassifier: y has labels {others} that are not among the classes {self.classes_}")
        self._loss = self._loss_given() or (BinaryCrossEntropy() if self._multilabel else SoftmaxCrossEntropy())
        binary = isinstance(self._loss, BinaryCrossEntropy)
        if binary != self._multilabel and not (binary and len(self.classes_) == 2):
            what = "several labels per sample" if self._multilabel else f"{len(self.classes_)} classes"
            raise ValueError(
                f"NetworkClassifier: {self._loss} is not for {what}: use the default loss, or "
                f"{'BinaryCrossEntropy' if self._multilabel else 'SoftmaxCrossEntropy'}"
            )
        self.out_activation_ = "logistic" if binary else "softmax"
        self.n_outputs_ = 1 if binary and not self._multilabel else len(self.classes_)

    def _weights(self, y: np.ndarray, weights: "np.ndarray | None") -> "np.ndarray | None":
        if self.class_weight is None:
            return weights
        of_classes = compute_sample_weight(self.class_weight, y)
        return of_classes if weights is None else weights * of_classes

    def _encoded(self, y: np.ndarray) -> np.ndarray:
        return y.astype(self.model_.dtype) if self._multilabel else np.searchsorted(self.classes_, y)

    def _decoded(self, outputs: np.ndarray) -> np.ndarray:
        if self._multilabel:
            return (outputs > 0).astype(int)
        best = outputs[:, 0] > 0 if isinstance(self._loss, BinaryCrossEntropy) else outputs.argmax(axis=1)
        return self.classes_[best.astype(int)]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
