"""Pooling (the seed, section "CNN"): the largest or the mean value under a moving window, or the mean of all."""

from collections.abc import Iterator
from itertools import repeat
from typing import Any

from ..backend import Array, output_size, xp
from .base import Backward, Layer, brief, pair
from .correlation import batch_first, rows_first


class _Pool2D(Layer):
    """What the two poolings share: the window's geometry and its walk over the image."""

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

    def _padded(self, x: Array, value: float) -> tuple[Array, tuple[int, int]]:
        """The input as (H, C, W, N) with its border, and the output's (H', W')."""
        self._check(x, "N", "C", "H", "W")
        out = tuple(map(output_size, x.shape[2:], self.size, self.stride, self.padding))
        if min(out) < 1:
            raise ValueError(f"{self}: the window is larger than the padded input of shape {x.shape}")
        return rows_first(x, *self.padding, value), (out[0], out[1])

    def _taps(self, x: Array, out: tuple[int, int]) -> Iterator[Array]:
        """For each offset (m, n) in the window, in order, the view x[i*s1 + m, :, j*s2 + n] over all (i, j)."""
        s1, s2 = self.stride
        for m in range(self.size[0]):
            for n in range(self.size[1]):
                yield x[m : m + out[0] * s1 : s1, :, n : n + out[1] * s2 : s2]

    def _gradient(self, shape: tuple[int, ...], out: tuple[int, int], dtype: Any, parts: Iterator[Array]) -> Array:
        """For the padded input (H, C, W, N), from what each of the taps adds to it."""
        covered = self.stride == self.size and shape[::2] == (out[0] * self.size[0], out[1] * self.size[1])
        dx = (xp.empty if covered else xp.zeros)(shape, dtype=dtype)
        for dtap, part in zip(self._taps(dx, out), parts, strict=True):
            if covered:  # once: the windows lie side by side
                dtap[...] = part
            else:
                dtap += part
        return dx

    def _cropped(self, dx: Array, shape: tuple[int, ...]) -> Array:
        """The gradient (H, C, W, N) without its border, batch first."""
        p1, p2 = self.padding
        return batch_first(dx[p1 : p1 + shape[2], :, p2 : p2 + shape[3]])

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
        padded, out = self._padded(x, -xp.inf)
        taps = list(self._taps(padded, out))
        y = taps[0].copy()
        for tap in taps[1:]:
            xp.maximum(y, tap, out=y)

        def backward(dy: Array) -> Array:
            dy = rows_first(dy)

            def won() -> Iterator[Array]:
                free = xp.ones(y.shape, dtype=bool)
                for tap in taps[:-1]:
                    first = tap == y
                    first &= free
                    free ^= first
                    yield dy * first
                yield dy * free

            return self._cropped(self._gradient(padded.shape, out, dy.dtype, won()), x.shape)

        return batch_first(y), backward


class AvgPool2D(_Pool2D):
    """The mean over each window; the padding's zeros count.

    ::

        y[c,i,j]  = 1/(k1 k2) sum_{m,n} x[c, i*s1+m, j*s2+n]
        dE/dx[c,i*s1+m,j*s2+n]  += 1/(k1 k2) dE/dy[c,i,j]

    Arguments and shapes as for :class:`MaxPool2D`.
    """

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        padded, out = self._padded(x, 0.0)
        scale = 1 / (self.size[0] * self.size[1])
        first, *others = self._taps(padded, out)
        y = first.copy()
        for tap in others:
            y += tap
        y *= scale
        shape = padded.shape

        def backward(dy: Array) -> Array:
            dy = scale * rows_first(dy)
            return self._cropped(self._gradient(shape, out, dy.dtype, repeat(dy, self.size[0] * self.size[1])), x.shape)

        return batch_first(y), backward


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
