"""Augment the pictures of a run anew in each epoch."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..data import Augmented, batches
from ..training import History

_KINDS: dict[str, Callable[[str], Any]] = {"shift": int, "rotate": float, "crop": float, "noise": float}


def augmentation(word: str) -> dict[str, Any]:
    """The options of :class:`Augmented` from ``shift=2,flip,rotate=10``.

    Raises:
        ValueError: an option is unknown, or its value is not valid.
    """
    options: dict[str, Any] = {}
    for part in word.split(","):
        name, _, value = part.partition("=")
        try:
            options[name] = True if part == "flip" else _KINDS[name](value)
        except (KeyError, ValueError):
            raise ValueError(
                f"expected flip, shift=PIXELS, rotate=DEGREES, crop=SHARE or noise=LEVELS (of 255), got {part!r}"
            ) from None
    Augmented((), **options)  # raises if a value is out of range
    return options


class Epochs:
    """Batches that are shuffled and augmented anew in each epoch, by generators seeded with the epoch's number.

    A resumed run, even within an epoch, therefore gets the same batches as an uninterrupted one.
    """

    def __init__(
        self, images: np.ndarray, y: np.ndarray, inputs: Callable[[np.ndarray], np.ndarray], batch_size: int, seed: int,
        history: History, options: dict[str, Any],
    ) -> None:  # fmt: skip
        """``images`` are (N, C, H, W); ``inputs`` turns them into the network's input; ``history`` has past epochs."""
        self._images, self._y, self._inputs, self._batch_size = images, y, inputs, batch_size
        self._seed, self._history, self._options = seed, history, options

    def __len__(self) -> int:
        return -(-len(self._y) // self._batch_size)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        order, changes = np.random.default_rng((self._seed, len(self._history))).spawn(2)
        shuffled = batches(self._images, self._y, self._batch_size, order)
        return ((self._inputs(images), y) for images, y in Augmented(shuffled, rng=changes, **self._options))
