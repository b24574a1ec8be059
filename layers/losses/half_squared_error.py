"""The source document's error."""

from typing import Any

from ...backend import Array
from .base import Differentiated, Loss, weighted_sum


class HalfSquaredError(Loss):
    """Half the squared error, as the mean over the samples::

        E = 1/N sum_n 1/2 sum_k (y[n,k] - o[n,k])^2,    dE/do = (o - y) / N   (the document's delta without f')

    With weights, w[n] / sum_n w[n] replaces 1/N (:class:`Loss`). If each step of a sequence has a weight w[n,t], 0 in
    the padding, the largest weight of the sequence is its w[n] in the divisor.

    Shapes: outputs o and targets y both (N, ...). Weights (N,), or with further axes up to the outputs' shape.

    Raises:
        ValueError: the shapes differ (they are not broadcast).
        TypeError: outputs or targets are not floating-point, or outputs, targets and weights differ in dtype.

    Source: the source document, "误差反向传播".

    >>> float(HalfSquaredError()(asarray([[3.0]]), asarray([[1.0]])))
    2.0
    """

    _hint = " (targets[:, None] adds an axis; for class labels use SoftmaxCrossEntropy)"

    def forward(self, outputs: Array, targets: Array, weights: Array | None = None) -> Differentiated:
        self._check(outputs, targets, "f", "floating-point targets")
        self._check_weights(outputs, weights, targets.shape)
        scale = self._scale(outputs, targets, weights)
        difference = outputs - targets
        value = 0.5 * weighted_sum(difference * difference, scale)

        def backward() -> Array:
            return difference * scale

        return value, backward

    def weight(self, targets: Array, weights: Array | None = None) -> Any:
        samples = None if weights is None else weights.reshape(len(weights), -1).max(1)
        return super().weight(targets, samples)

    def _count(self, targets: Array) -> int:
        return len(targets)
