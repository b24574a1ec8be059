"""Pooling (the seed, section "CNN"): the largest or the mean value under a moving window, or the mean of all."""

from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import Any

from ..backend import Array, Pair, aligned_empty, batch_first, fused, output_sizes, rows_first, xp
from .base import Backward, Layer, brief, pair


class _Pool2D(Layer):
    """What the two poolings share: the window and its checks."""

    def __init__(
        self,
        size: int | tuple[int, int],
        stride: int | tuple[int, int] | None = None,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__()
        self.size = pair(size, "size", 1)
        self.stride = self.size if stride is None else pair(stride, "stride", 1)
        self.padding = pair(padding, "padding", 0)
        if self.padding[0] >= self.size[0] or self.padding[1] >= self.size[1]:
            raise ValueError(f"padding: expected less than the window's size {self.size}, got {self.padding}")

    def _check_image(self, x: Array) -> None:
        self._check(x, "N", "C", "H", "W")
        self._check_window(x, self.size, self.stride, self.padding)

    def _arguments(self) -> str:
        usual: dict[str, object] = {"stride": self.size, "padding": (0, 0)}
        return brief(usual, size=self.size, stride=self.stride, padding=self.padding)


class MaxPool2D(_Pool2D):
    """The largest value under each window.

    ::

        y[c,i,j]  = max_{m,n} x[c, i*s1+m, j*s2+n]
        dE/dx[c,i*s1+m,j*s2+n]  += dE/dy[c,i,j]   where (m, n) is the maximum's place, the first in order if several tie

    Args:
        size: of the window (k1, k2), or one number for both.
        stride: step of the window; by default its size. Less than the size makes windows overlap.
        padding: border on each side, which loses the maximum to any finite number; less than the size.

    Shapes:
        input (N, C, H, W), output (N, C, H', W') with H' = floor((H + 2 p1 - k1) / s1) + 1 and W' likewise.
    """

    separable = True

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check_image(x)
        return max_pool(x, self.size, self.stride, self.padding, needs_dx)


class AvgPool2D(_Pool2D):
    """The mean over each window; the padding's zeros count.

    ::

        y[c,i,j]  = 1/(k1 k2) sum_{m,n} x[c, i*s1+m, j*s2+n]
        dE/dx[c,i*s1+m,j*s2+n]  += 1/(k1 k2) dE/dy[c,i,j]

    Arguments and shapes as for :class:`MaxPool2D`.
    """

    separable = True

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check_image(x)
        return mean_pool(x, self.size, self.stride, self.padding)


class GlobalAvgPool2D(Layer):
    """The mean of each channel, for images of any size: what is left of the image is one number a channel.

    ::

        y[c]          = 1/(H W) sum_{i,j} x[c,i,j]
        dE/dx[c,i,j]  = 1/(H W) dE/dy[c]

    Shapes:
        input (N, C, H, W), output (N, C).

    Source: Lin, Chen, Yan, "Network in network", 2014, section 3.2.
    """

    separable = True

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check(x, "N", "C", "H", "W")
        N, C, H, W = x.shape

        def backward(dy: Array) -> Array:
            dx = xp.empty((H, C, W, N), dtype=dy.dtype)
            dx[...] = (1 / (H * W) * dy.T)[:, None]
            return batch_first(dx)

        return x.mean((2, 3)), backward


@fused
def max_pool(x: Array, size: Pair, stride: Pair, padding: Pair, needs_dx: bool = True) -> tuple[Array, Backward]:
    """:class:`MaxPool2D`'s output and backward."""
    windows = _Windows(x.shape, size, stride, padding)
    image = rows_first(x, *padding, -xp.inf)
    y = windows.reduce(xp.maximum, image)
    # found now, since for backward they take a quarter of the image's memory
    winners = list(_winners(windows.taps(image), y)) if needs_dx else []

    def backward(dy: Array) -> Array | None:
        return windows.gradient(rows_first(dy), winners) if needs_dx else None

    return batch_first(y), backward


def _winners(taps: Iterable[Array], y: Array) -> Iterator[Array]:
    """For each place in the window where it has the maximum y first."""
    free = xp.ones(y.shape, dtype=bool)
    for tap in taps:
        first = tap == y
        first &= free
        free ^= first
        yield first


@fused
def mean_pool(x: Array, size: Pair, stride: Pair, padding: Pair) -> tuple[Array, Backward]:
    """:class:`AvgPool2D`'s output and backward."""
    windows, scale = _Windows(x.shape, size, stride, padding), 1 / (size[0] * size[1])
    y = windows.reduce(xp.add, rows_first(x, *padding))
    y *= scale

    def backward(dy: Array) -> Array:
        return windows.gradient(rows_first(dy), repeat(scale, size[0] * size[1]))

    return batch_first(y), backward


class _Windows:
    """A window that moves over images of the shape (N, C, H, W) with their border, in memory (H, C, W, N)."""

    def __init__(self, shape: tuple[int, ...], size: Pair, stride: Pair, padding: Pair) -> None:
        (N, C, H, W), (p1, p2) = shape, padding
        self.size, self.stride = size, stride
        self.shape = (H + 2 * p1, C, W + 2 * p2, N)
        self.inside = slice(p1, p1 + H), slice(None), slice(p2, p2 + W)
        self.out = output_sizes(shape[2:], size, stride, padding)

    def rows(self, m: int) -> slice:
        """Those that are row m of a window."""
        return slice(m, m + self.out[0] * self.stride[0], self.stride[0])

    def cols(self, n: int) -> slice:
        """Those that are column n of a window."""
        return slice(n, n + self.out[1] * self.stride[1], self.stride[1])

    def reduce(self, function: Callable[..., Array], image: Array) -> Array:
        """What an associative function makes of each window's values: of each column of it, then of these."""
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

    def taps(self, image: Array) -> Iterator[Array]:
        """For each place (m, n) in the window, in order, the view image[i*s1 + m, :, j*s2 + n] over all (i, j)."""
        for m in range(self.size[0]):
            for n in range(self.size[1]):
                yield image[self.rows(m), :, self.cols(n)]

    def gradient(self, dy: Array, factors: Iterable[Array | float]) -> Array:
        """For the images without their border, (N, C, H, W): each of the taps gets dy times its factor."""
        (H, W), (k1, k2) = self.out, self.size
        covered = self.stride == self.size and self.shape[::2] == (H * k1, W * k2)
        dx = (aligned_empty if covered else xp.zeros)(self.shape, dy.dtype)
        for tap, factor in zip(self.taps(dx), factors, strict=True):
            if covered:  # once: the windows lie side by side
                xp.multiply(dy, factor, out=tap)
            else:
                tap += dy * factor
        return batch_first(dx[self.inside])
