"""Weights of classes, for data with more samples of some classes than of others."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def class_weights(
    labels: np.ndarray | None, weights: "str | Mapping[Any, float] | Sequence[float] | np.ndarray", classes: int
) -> np.ndarray:
    """A weight for each class, (K,) float64.

    Args:
        labels: integers in [0, K), of any shape; only "balanced" needs them. Others, such as -100, do not count.
        weights: "balanced" for N / (C N_k), where N_k of the N labels are of class k and C classes occur, and 1 for a
            class that does not occur; a mapping from class to weight (1 for a missing class), or a pandas Series with
            the classes as its index; or a weight for each class.
        classes: K.

    Raises:
        ValueError: the weights are none of these, negative or not finite, or labels are missing.

    Source: scikit-learn, ``compute_class_weight``.

    >>> class_weights(np.array([0, 0, 0, 1]), "balanced", 2).round(3)
    array([0.667, 2.   ])
    """
    if isinstance(weights, str):
        if weights != "balanced":
            raise ValueError(f"class_weight: expected 'balanced', a mapping or a sequence, got {weights!r}")
        if labels is None:
            raise ValueError("class_weight: 'balanced' needs all labels in memory: give a mapping from class to weight")
        counts = np.bincount(labels[(labels >= 0) & (labels < classes)], minlength=classes)
        present = np.count_nonzero(counts)
        return np.divide(counts.sum(), present * counts, out=np.ones(classes), where=counts > 0)
    if isinstance(weights, Mapping) or hasattr(weights, "items"):
        weights = dict(weights.items())
        if unknown := [key for key in weights if key not in range(classes)]:
            raise ValueError(f"class_weight: expected classes from 0 to {classes - 1}, got {unknown[0]!r}")
        weights = [weights.get(k, 1.0) for k in range(classes)]
    result = np.asarray(weights, dtype="float64")
    if result.shape != (classes,) or not np.isfinite(result).all() or result.min() < 0:
        raise ValueError(f"class_weight: expected {classes} finite weights of at least 0, got {weights}")
    return result
