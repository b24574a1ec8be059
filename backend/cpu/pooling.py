"""Pooling in the memory order rows, channels, columns, batch, so that each operation runs along the batch."""

from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import Any

import numpy as np

from ..select import Array
from ..shared.im2col import batch_first, rows_first
from ..shared.window import Window
from .blas_sizes import aligned_empty

Pooled = tuple[Array, Callable[[Array], Array | None]]


def max_pool(x: Array, window: Window, needs_dx: bool = True) -> Pooled:
    """The maximum along the height, then along the width."""
    windows = _Windows(x.shape, window)
    image = rows_first(x, *window.padding, -np.inf)
    y = windows.reduce(np.maximum, image)
    # kept for backward instead of the image, since the winners take a quarter of its memory
    winners = _winners(windows, image, y) if needs_dx else []

    def backward(dy: Array) -> Array | None:
        return windows.gradient(rows_first(dy), winners) if needs_dx else None

    return batch_first(y), backward


def _winners(windows: "_Windows", image: Array, y: Array) -> list[Array]:
    """For each element of the window, whether it is the maximum y: the first that equals y, or the last NaN."""
    free, winners = np.ones(y.shape, dtype=bool), []
    inside = np.zeros((image.shape[0], 1, image.shape[2], 1), dtype=bool)
    inside[windows.inside] = True
    for element, real in zip(windows.elements(image), windows.elements(inside), strict=True):
        first = element == y
        first &= free
        if not real.all():
            first &= real  # -infinity equals the border
        free ^= first
        winners.append(first)
    if free.any():  # maxima that are NaN, which equals nothing
        for element, winner in reversed(list(zip(windows.elements(image), winners, strict=True))):
            last = element != element
            last &= free
            winner |= last
            free ^= last
    return winners


def mean_pool(x: Array, window: Window) -> Pooled:
    """The sum along the height, then along the width, times 1/(k1 k2)."""
    (k1, k2), windows = window.size, _Windows(x.shape, window)
    scale = 1 / (k1 * k2)
    y = windows.reduce(np.add, rows_first(x, *window.padding))
    y *= scale

    def backward(dy: Array) -> Array:
        return windows.gradient(rows_first(dy), repeat(scale, k1 * k2))

    return batch_first(y), backward


class _Windows:
    """A window that moves over padded images of shape (N, C, H, W), which are (H, C, W, N) in memory."""

    def __init__(self, shape: tuple[int, ...], window: Window) -> None:
        (N, C, H, W), (p1, p2) = shape, window.padding
        self.size, self.stride = window.size, window.stride
        self.shape = (H + 2 * p1, C, W + 2 * p2, N)
        self.inside = slice(p1, p1 + H), slice(None), slice(p2, p2 + W)
        self.out = window.positions(shape[2:])

    def rows(self, m: int) -> slice:
        """The image rows that are row m of some window."""
        return slice(m, m + self.out[0] * self.stride[0], self.stride[0])

    def cols(self, n: int) -> slice:
        """The image columns that are column n of some window."""
        return slice(n, n + self.out[1] * self.stride[1], self.stride[1])

    def reduce(self, function: Callable[..., Array], image: Array) -> Array:
        """Reduce each window by an associative function: along its columns, then along the row of results."""
        axes: tuple[Callable[[int], Any], ...] = (self.rows, lambda n: (slice(None), slice(None), self.cols(n)))
        for size, lines in zip(self.size, axes, strict=True):
            if size == 1:
                image = image[lines(0)].copy()
                continue
            first, second = image[lines(0)], image[lines(1)]
            total = function(first, second, out=aligned_empty(first.shape, first.dtype))
            for place in range(2, size):
                function(total, image[lines(place)], out=total)
            image = total
        return image

    def elements(self, image: Array) -> Iterator[Array]:
        """For each element (m, n) of the window, in order, the view image[i*s1 + m, :, j*s2 + n] over all (i, j)."""
        for m in range(self.size[0]):
            for n in range(self.size[1]):
                yield image[self.rows(m), :, self.cols(n)]

    def gradient(self, dy: Array, factors: Iterable[Array | float]) -> Array:
        """dE/dx (N, C, H, W) without the border: each element of a window gets dy times its factor."""
        (H, W), (k1, k2) = self.out, self.size
        covered = self.stride == self.size and self.shape[::2] == (H * k1, W * k2)
        dx = (aligned_empty if covered else np.zeros)(self.shape, dy.dtype)
        for element, factor in zip(self.elements(dx), factors, strict=True):
            if covered:  # each pixel belongs to one window
                np.multiply(dy, factor, out=element)
            else:
                element += dy * factor
        return batch_first(dx[self.inside])
