"""Choose the samples that are held out for the test."""

import numpy as np


def split(labels: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the training and the test samples, each ascending; a share of every class is held out.

    From a class of n >= 2 samples the test part gets share * n, rounded, but each part gets at least one; the sample of
    a class with only one is used for training.

    Args:
        labels: the classes, (samples,); the same value for all if there are no classes.
        share: from 0, for no test part, to below 1.
        seed: seed of the choice.

    Raises:
        ValueError: share is out of its range.
    """
    if not 0 <= share < 1:
        raise ValueError(f"test_share: expected a share from 0 to below 1, got {share}")
    held_out = np.zeros(len(labels), dtype=bool)
    order = np.random.default_rng(seed).permutation(len(labels))
    for label in np.unique(labels) if share else ():
        own = order[labels[order] == label]
        held_out[own[: min(max(round(share * len(own)), 1), len(own) - 1)]] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)
