"""How much a class counts that has more or fewer samples than others."""

from collections.abc import Mapping, Sequence

import numpy as np


def class_weights(
    labels: np.ndarray, class_weight: str | Mapping[int, float] | Sequence[float] | np.ndarray, classes: int
) -> np.ndarray:
    """A weight for each class; ``weights[labels]`` are then those of the samples.

    Args:
        labels: integers of any shape. Those outside [0, classes) are not counted, as a loss's ``ignore_index`` is not.
        class_weight: ``"balanced"`` for n / (present * count[k]) with n labels of so many classes that are present, so
            that each present class weighs as much in sum; or a dict {class: weight}, where a class that is not named
            weighs 1; or a sequence with a weight for each class.
        classes: their number K.

    Returns:
        An array (K,) of float64. A class without labels weighs 1 where the others are balanced.

    Raises:
        ValueError: class_weight is another string, names a class outside [0, K), has not K entries, or holds a weight
            that is negative or not finite.
        TypeError: the labels are not integers.

    Source: the same values as scikit-learn's ``compute_class_weight``.

    >>> class_weights(np.array([0, 0, 0, 1]), "balanced", 2)
    array([0.66666667, 2.        ])
    >>> class_weights(np.array([0, 0, 0, 1]), {1: 3.0}, 2)
    array([1., 3.])
    """
    weights = np.ones(classes)
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise ValueError(f'class_weight: expected "balanced", a dict or a sequence, got {class_weight!r}')
        count = _counts(np.asarray(labels), classes)
        present = count > 0
        weights[present] = count.sum() / (present.sum() * count[present])
    elif isinstance(class_weight, Mapping):
        if unknown := [key for key in class_weight if key not in range(classes)]:
            raise ValueError(f"class_weight: expected classes from 0 to {classes - 1}, got {unknown[0]!r}")
        weights[[*class_weight]] = [*class_weight.values()]
    else:
        weights = np.asarray(class_weight, "float64")
        if weights.shape != (classes,):
            raise ValueError(f"class_weight: expected {classes} weights, one a class, got shape {weights.shape}")
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise ValueError(f"class_weight: expected finite weights of at least 0, got {class_weight!r}")
    return weights


def _counts(labels: np.ndarray, classes: int) -> np.ndarray:
    """The number of labels of each class."""
    if labels.dtype.kind not in "biu":
        raise TypeError(f"class_weight: balanced weights need integer labels, got {labels.dtype}")
    labels = labels.astype("int64").ravel()
    return np.bincount(labels[(labels >= 0) & (labels < classes)], minlength=classes)
