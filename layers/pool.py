"""Pooling (the seed, section "CNN"): the largest or the mean value under a moving window, or the mean of all."""

from collections.abc import Callable, Iterator
from itertools import repeat
from typing import Any

from ..backend import Array, fused, output_size, xp
from .base import Backward, Layer, brief, pair
from .conv import pad


class _Pool2D(Layer):
    """What the two poolings share: the window and its checks."""

    separable = True

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
        if min(map(output_size, x.shape[2:], self.size, self.stride, self.padding)) < 1:
            raise ValueError(f"{self}: the window is larger than the padded input of shape {x.shape}")

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
        padding: border on each side, which never wins the maximum; less than the size.

    Shapes:
        input (N, C, H, W), output (N, C, H', W') with H' = floor((H + 2 p1 - k1) / s1) + 1 and W' likewise.
    """

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check_image(x)
        return max_pool(x, self.size, self.stride, self.padding)


class AvgPool2D(_Pool2D):
    """The mean over each window; the padding's zeros count.

    ::

        y[c,i,j]  = 1/(k1 k2) sum_{m,n} x[c, i*s1+m, j*s2+n]
        dE/dx[c,i*s1+m,j*s2+n]  += 1/(k1 k2) dE/dy[c,i,j]

    Arguments and shapes as for :class:`MaxPool2D`.
    """

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
            dx = xp.empty((C, H, W, N), dtype=dy.dtype)
            dx[...] = (1 / (H * W) * dy.T)[:, None, None, :]
            return dx.transpose(3, 0, 1, 2)

        return x.mean((2, 3)), backward


Pair = tuple[int, int]


@fused
def max_pool(x: Array, size: Pair, stride: Pair, padding: Pair) -> tuple[Array, Callable[[Array], Array]]:
    """:class:`MaxPool2D`'s output and backward."""
    windows = _Windows(x.shape, size, stride, padding)
    taps = list(windows.taps(windows.bordered(x, -xp.inf)))
    y = taps[0].copy()
    for tap in taps[1:]:
        xp.maximum(y, tap, out=y)

    def backward(dy: Array) -> Array:
        dy = dy.transpose(1, 2, 3, 0)

        def won() -> Iterator[Array]:
            free = xp.ones(y.shape, dtype=bool)
            for tap in taps[:-1]:
                first = tap == y
                first &= free
                free ^= first
                yield dy * first
            yield dy * free

        return windows.gradient(dy.dtype, won())

    return y.transpose(3, 0, 1, 2), backward


@fused
def mean_pool(x: Array, size: Pair, stride: Pair, padding: Pair) -> tuple[Array, Callable[[Array], Array]]:
    """:class:`AvgPool2D`'s output and backward."""
    windows, area = _Windows(x.shape, size, stride, padding), size[0] * size[1]
    first, *others = windows.taps(windows.bordered(x, 0.0))
    y = first.copy()
    for tap in others:
        y += tap
    y *= 1 / area

    def backward(dy: Array) -> Array:
        dy = 1 / area * dy.transpose(1, 2, 3, 0)
        return windows.gradient(dy.dtype, repeat(dy, area))

    return y.transpose(3, 0, 1, 2), backward


class _Windows:
    """A window that moves over images of the shape (N, C, H, W) with their border, in memory (C, H, W, N)."""

    def __init__(self, shape: tuple[int, ...], size: Pair, stride: Pair, padding: Pair) -> None:
        (N, C, H, W), (p1, p2) = shape, padding
        self.size, self.stride, self.padding = size, stride, padding
        self.shape = (C, H + 2 * p1, W + 2 * p2, N)
        self.inside = slice(p1, p1 + H), slice(p2, p2 + W)
        self.out = tuple(map(output_size, (H, W), size, stride, padding))

    def bordered(self, x: Array, value: float) -> Array:
        """The images with their border."""
        return pad(x.transpose(1, 2, 3, 0), *self.padding, value)

    def taps(self, image: Array) -> Iterator[Array]:
        """For each offset (m, n) in the window, in order, the view image[:, i*s1 + m, j*s2 + n] over all (i, j)."""
        (H, W), (s1, s2) = self.out, self.stride
        for m in range(self.size[0]):
            for n in range(self.size[1]):
                yield image[:, m : m + H * s1 : s1, n : n + W * s2 : s2]

    def gradient(self, dtype: Any, parts: Iterator[Array]) -> Array:
        """For the images without their border, (N, C, H, W), from what each of the taps adds to it."""
        (H, W), (k1, k2) = self.out, self.size
        covered = self.stride == self.size and self.shape[1:3] == (H * k1, W * k2)
        dx = (xp.empty if covered else xp.zeros)(self.shape, dtype=dtype)
        for dtap, part in zip(self.taps(dx), parts, strict=True):
            if covered:  # once: the windows lie side by side
                dtap[...] = part
            else:
                dtap += part
        return dx[:, *self.inside].transpose(3, 0, 1, 2)
