"""The softmax cross-entropy if all labels have the same weight."""

from collections.abc import Callable

import numpy as np

from ..accelerate import may_decline
from ..select import Array


@may_decline
def softmax_cross_entropy(
    logits: Array, labels: Array, complaint: str, ignore: int = -100, weights: Array | None = None
) -> tuple[Array, Callable[[], Array]]:
    """A single scale for all labels takes three fifths of the time; labels outside [0, classes) are declined."""
    classes = logits.shape[-1]
    if weights is not None or 0 <= ignore < classes or not _all_below(classes, labels):
        return NotImplemented
    return equally_weighted(logits, labels)


def _all_below(classes: int, labels: Array) -> bool:
    """Whether all labels are in [0, classes), found by one comparison: negative ones are huge as unsigned integers."""
    return bool(np.maximum.reduce(labels.view(f"u{labels.itemsize}"), None) < classes)


def equally_weighted(logits: Array, labels: Array) -> tuple[Array, Callable[[], Array]]:
    """The mean over all labels, each a valid class, and its backward."""
    classes = logits.shape[-1]
    z = logits.reshape(-1, classes).T
    t = labels.reshape(-1)
    places = np.arange(len(t))
    z = z - np.maximum.reduce(z)
    e = np.exp(z)
    total = np.add.reduce(e)
    scale = 1 / len(t)
    value = np.add.reduce(np.log(total) - z[t, places]) * scale

    def backward() -> Array:
        dz = e / total
        dz[t, places] -= 1
        dz *= scale
        return dz.T.reshape(logits.shape)

    return value, backward
