"""Change pictures a little in each pass, so that a network does not memorise them."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np


class Augmented:
    """Batches whose pictures are randomly flipped, rotated, cropped, shifted and made noisy in each pass.

    Each picture gets its own transformation: its output pixel at p, relative to the centre c, is read from the input
    at::

        c + o + s R(a) F p + d

    F mirrors left and right for half of the pictures if ``flip``; R(a) rotates by a, uniform in ±``rotate`` degrees; s
    is uniform in [1 - ``crop``, 1], and o is uniform such that the window of that size lies within the picture; d is a
    whole number of pixels, uniform in ±``shift``, for each axis. Values between pixels are interpolated bilinearly;
    beyond the border the nearest pixel counts. Then normal noise of standard deviation ``noise`` is added. uint8 stays
    uint8.

    Args:
        batches: an iterable of (x, y, ...) with x (N, C, H, W), iterated over again in each pass; or a function that
            returns one.
        shift: largest shift, in pixels.
        flip: whether to mirror.
        rotate: largest angle, in degrees.
        crop: largest share of each side that is cut off, from 0 to below 1; the rest is enlarged to the full size.
        noise: standard deviation of the noise, in the units of x.
        rng: seed or generator. The k-th pass draws from the k-th generator that is spawned from it.

    Raises:
        ValueError: an argument is out of its range, or, in a pass, x does not have four axes.

    ``len`` is that of ``batches``.

    Source: Simard, Steinkraus, Platt, "Best practices for convolutional neural networks", 2003, section 2.

    >>> x, y = np.arange(16, dtype=np.uint8).reshape(2, 1, 2, 4), np.array([0, 1])
    >>> data = Augmented([(x, y)], shift=1, flip=True, rng=0)
    >>> for images, labels in data:
    ...     print(images[0, 0], labels)
    [[3 2 1 0]
     [7 6 5 4]] [0 1]
    """

    def __init__(
        self,
        batches: Any,
        *,
        shift: int = 0,
        flip: bool = False,
        rotate: float = 0.0,
        crop: float = 0.0,
        noise: float = 0.0,
        rng: "np.random.Generator | int | None" = None,
    ) -> None:
        if shift < 0 or shift != int(shift):
            raise ValueError(f"Augmented: expected a shift by a whole number of pixels from 0, got {shift}")
        if not (0 <= rotate < math.inf and 0 <= noise < math.inf and 0 <= crop < 1):
            raise ValueError(
                "Augmented: expected an angle and noise from 0, and a share to crop from 0 to below 1, got "
                f"rotate={rotate}, noise={noise}, crop={crop}"
            )
        self._batches, self._rng = batches, np.random.default_rng(rng)
        self._shift, self._flip, self._rotate, self._crop, self._noise = int(shift), flip, rotate, crop, noise

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        (rng,) = self._rng.spawn(1)
        batches: Iterable[Any] = self._batches() if callable(self._batches) else self._batches
        return ((self._changed(np.asarray(x), rng), *others) for x, *others in batches)

    def _changed(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if x.ndim != 4:
            raise ValueError(f"Augmented: expected pictures (N, C, H, W), got shape {x.shape}")
        values = x if x.dtype.kind == "f" else x.astype(np.float32)
        if self._shift or self._flip or self._rotate or self._crop:
            values = bilinear(values, *self._positions(x.shape, rng))
        if self._noise:
            values = values + rng.normal(0, self._noise, x.shape).astype(values.dtype)
        if x.dtype.kind == "f":
            return values
        limits = np.iinfo(x.dtype)
        return np.rint(values).clip(limits.min, limits.max).astype(x.dtype)

    def _positions(self, shape: tuple[int, ...], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """The input's row and column, (N, H, W) each, for each pixel of the output."""
        N, _, H, W = shape

        def drawn(low: float, high: float) -> np.ndarray:
            return rng.uniform(low, high, (N, 1, 1))

        angle = np.deg2rad(drawn(-self._rotate, self._rotate))
        scale = drawn(1 - self._crop, 1)
        mirror = 1 - 2 * rng.integers(0, 1 + self._flip, (N, 1, 1))
        centre = (H - 1) / 2, (W - 1) / 2
        window = [half + (1 - scale) * half * drawn(-1, 1) for half in centre]
        shift = rng.integers(-self._shift, self._shift + 1, (2, N, 1, 1))
        i, j = np.arange(H)[:, None] - centre[0], mirror * (np.arange(W) - centre[1])
        rows = window[0] + scale * (np.cos(angle) * i - np.sin(angle) * j) + shift[0]
        columns = window[1] + scale * (np.sin(angle) * i + np.cos(angle) * j) + shift[1]
        return rows, columns


def bilinear(x: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """x (N, C, H, W) read at positions (N, H', W'): bilinear between pixels, constant beyond the border."""
    H, W = x.shape[2:]
    rows, columns = (p.astype(x.dtype).clip(0, n - 1)[:, None] for p, n in ((rows, H), (columns, W)))  # (N, 1, H', W')
    i, j = rows.astype(np.intp), columns.astype(np.intp)
    below, right = np.minimum(i + 1, H - 1), np.minimum(j + 1, W - 1)
    u, v = rows - i.astype(x.dtype), columns - j.astype(x.dtype)
    first = np.arange(0, x.size, H * W).reshape(*x.shape[:2], 1, 1)  # the index of each map's first pixel

    def at(i: np.ndarray, j: np.ndarray) -> np.ndarray:
        return x.take(first + i * W + j)  # (N, C, H', W')

    return (1 - u) * ((1 - v) * at(i, j) + v * at(i, right)) + u * ((1 - v) * at(below, j) + v * at(below, right))
