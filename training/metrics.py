"""Metrics: functions of all targets and outputs of a pass over a data set, on the host."""

import inspect
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from ..backend import ALONE, Array, Ranks, asarray, to_numpy
from ..layers import BinaryCrossEntropy, HalfSquaredError, Loss, Sigmoid, Softmax, SoftmaxCrossEntropy
from ..layers.losses.base import spread
from ..layers.losses.elementwise import ElementwiseLoss
from ..layers.settings import positive

Metric: TypeAlias = Callable[..., Any]
"""A function of all targets and outputs of a pass.

The name of its second argument says what the function takes, as in scikit-learn. ``y_pred`` takes labels: the index of
the largest output, or 1 for positive logits of the binary cross-entropy; for regression losses, the outputs.
``y_score`` or ``y_proba`` takes probabilities, for two classes only the second one's. With these names, the targets are
integer labels, for one output of shape (N,). Any other name takes the outputs unchanged. An argument ``sample_weight``
gets the weights.
"""


def accuracy(y: np.ndarray, y_pred: np.ndarray, sample_weight: np.ndarray | None = None) -> float:
    """The fraction of correct labels; for several columns, the mean of their fractions.

    >>> accuracy(np.array([0, 1, 1]), np.array([0, 1, 0]))
    0.6666666666666666
    """
    return float(np.average(y == y_pred, axis=0, weights=sample_weight).mean())


def top_k(k: int = 5) -> Metric:
    """The fraction of samples whose label is among the k largest outputs; a tie counts for the label.

    Raises:
        ValueError: k is not a whole number of at least 1.

    >>> float(top_k(2)(np.array([0, 0]), np.array([[1.0, 2.0, 0.0], [1.0, 2.0, 3.0]])))
    0.5
    """

    positive(k=k)

    def metric(y: np.ndarray, outputs: np.ndarray, sample_weight: np.ndarray | None = None) -> float:
        own = np.take_along_axis(outputs, y[:, None], 1)
        return float(np.average((outputs > own).sum(1) < k, weights=sample_weight))

    metric.__name__ = f"top_{k}"
    return metric


def confusion_matrix(y: np.ndarray, y_pred: np.ndarray, sample_weight: np.ndarray | None = None) -> np.ndarray:
    """The number, or the sum of weights, of samples of class i (row) that were taken for class j (column), (K, K).

    Raises:
        ValueError: there are several labels per sample.

    >>> confusion_matrix(np.array([0, 1, 1]), np.array([0, 1, 0]))
    array([[1, 0],
           [1, 1]])
    """
    if y.ndim > 1:
        raise ValueError(f"confusion_matrix: expected one label per sample, got labels of shape {y.shape}")
    classes = int(max(y.max(), y_pred.max())) + 1
    matrix = np.zeros((classes, classes), int if sample_weight is None else float)
    np.add.at(matrix, (y, y_pred), 1 if sample_weight is None else sample_weight)
    return matrix


def f1(y: np.ndarray, y_pred: np.ndarray, sample_weight: np.ndarray | None = None) -> float:
    """The mean over the classes of 2 TP / (2 TP + FP + FN): scikit-learn's ``f1_score(average="macro")``.

    With several labels per sample, (N, K) of 0 and 1, each column is a class; one that never occurs counts as 0.

    >>> round(f1(np.array([0, 1, 1]), np.array([0, 1, 0])), 4)
    0.6667
    """
    if y.ndim > 1:
        weights = np.ones(len(y)) if sample_weight is None else sample_weight
        right, total = weights @ (1 * y * y_pred), weights @ (1 * y + y_pred)
    else:
        matrix = confusion_matrix(y, y_pred, sample_weight)
        present = (total := matrix.sum(0) + matrix.sum(1)) > 0
        right, total = matrix.diagonal()[present], total[present]
    return float((2 * right / np.maximum(total, 1e-300)).mean())


_NAMED: dict[str, Metric] = {"accuracy": accuracy, "f1": f1, "confusion_matrix": confusion_matrix}


class Metrics:
    """Collects the targets and outputs of a pass, and computes metrics from them.

    Args:
        metrics: a dict from column to metric, or a sequence of metrics, each of which names its column.
        loss: the model's loss.
        ranks: the ranks that train together.

    Attributes:
        parts: targets, outputs and weights of each batch that was added.

    Raises:
        ValueError, TypeError: a metric is unknown, does not fit this loss, or has the name of another column.
    """

    def __init__(
        self, metrics: "Mapping[str, Metric] | Sequence[Metric | str]", loss: Loss, ranks: Ranks = ALONE
    ) -> None:
        if isinstance(metrics, str) or callable(metrics):
            metrics = [metrics]
        named = [*metrics.items()] if isinstance(metrics, Mapping) else [(_name(one), one) for one in metrics or ()]
        taken = Counter(["epoch", "loss", "lr", "seconds", *(name for name, _ in named)])
        if twice := [name for name, count in taken.items() if count > 1]:
            raise ValueError(f"metrics: two columns would be called {twice[0]!r}: give a dict of names and metrics")
        self._metrics = {name: _function(metric, loss) for name, metric in named}
        self._loss, self._ranks = loss, ranks
        self.parts: list[tuple[np.ndarray, np.ndarray, np.ndarray | None]] = []

    def __bool__(self) -> bool:
        return bool(self._metrics)

    def add(self, outputs: Array, y: Array, weights: Array | None = None) -> None:
        """Add a batch, or all ranks' shares of it; outputs whose label does not count are left out."""
        y, outputs = to_numpy(y).copy(), to_numpy(outputs).copy()
        w = None if weights is None else to_numpy(weights).copy()
        if y.shape == outputs.shape[:-1]:
            counts = y != getattr(self._loss, "ignore_index", None)
            if y.ndim > 1 and w is not None:
                w = np.broadcast_to(spread(w, y.ndim), y.shape)
                counts &= w > 0
            y, outputs, w = y[counts], outputs[counts], None if w is None else w[counts]
        self.parts += self._ranks.gather((y, outputs, w))

    def values(self) -> dict[str, Any]:
        """The metrics of the batches that were added since the last call."""
        parts, self.parts = self.parts, []
        if not parts or not self:
            return {}
        y, outputs = (np.concatenate([part[i] for part in parts]) for i in range(2))
        weights = None if parts[0][2] is None else np.concatenate([part[2] for part in parts])
        if y.dtype.kind == "f" and isinstance(self._loss, SoftmaxCrossEntropy):
            y = y.argmax(-1)
        return {name: self._value(metric, y, outputs, weights) for name, metric in self._metrics.items()}

    def _value(self, metric: Metric, y: np.ndarray, outputs: np.ndarray, weights: np.ndarray | None) -> Any:
        parameters = list(inspect.signature(metric).parameters)
        second = parameters[1] if len(parameters) > 1 else ""
        if second in ("y_pred", "y_score", "y_proba", "y_prob"):
            if isinstance(self._loss, BinaryCrossEntropy):
                y = (y > 0.5).astype(int)
                y, outputs = (one[:, 0] if one.shape[1:] == (1,) else one for one in (y, outputs))
            outputs = self._labels(y, outputs) if second == "y_pred" else self._probabilities(outputs)
        options = {} if weights is None or "sample_weight" not in parameters else {"sample_weight": weights}
        return metric(y, outputs, **options)

    def _labels(self, y: np.ndarray, outputs: np.ndarray) -> np.ndarray:
        if isinstance(self._loss, BinaryCrossEntropy):
            return (outputs > 0).astype(int)
        return outputs if _of_regression(self._loss) or y.ndim == outputs.ndim else outputs.argmax(-1)

    def _probabilities(self, outputs: np.ndarray) -> np.ndarray:
        if isinstance(self._loss, BinaryCrossEntropy):
            return to_numpy(Sigmoid()(asarray(outputs, outputs.dtype)))
        if not isinstance(self._loss, SoftmaxCrossEntropy):
            return outputs
        p = to_numpy(Softmax()(asarray(outputs, outputs.dtype)))
        return p[:, 1] if p.shape[1:] == (2,) else p  # for two classes scikit-learn takes the second one's


def _name(metric: "Metric | str") -> str:
    return metric if isinstance(metric, str) else getattr(metric, "__name__", type(metric).__name__)


def _of_regression(loss: Loss) -> bool:
    return isinstance(loss, HalfSquaredError | ElementwiseLoss) and not isinstance(loss, BinaryCrossEntropy)


def _function(metric: "Metric | str", loss: Loss) -> Metric:
    """The metric with this name, or the function itself."""
    if isinstance(metric, str):
        top = metric.startswith("top_") and metric[4:].isdecimal()
        if not top and metric not in _NAMED:
            raise ValueError(f"metrics: expected {', '.join(_NAMED)}, top_5 or the like, or a function, got {metric!r}")
        if _of_regression(loss) or (top and isinstance(loss, BinaryCrossEntropy)):
            raise ValueError(f"metrics: {metric!r} is for classes, not for {loss}: give a function of (y, outputs)")
        return top_k(int(metric[4:])) if top else _NAMED[metric]
    if not callable(metric):
        raise TypeError(f"metrics: expected names or functions of (y, outputs), got {metric!r}")
    return metric
