"""Pooling (document section "CNN"): the maximum or mean under a moving window, or the mean of the whole image."""

import math
from collections.abc import Callable
from typing import ClassVar

from ..backend import Array, Window, accelerated, xp
from .base import Backward, Layer
from .im2col import col2im, im2col
from .settings import Size, brief, lengths


@accelerated
def max_pool(x: Array, window: Window, needs_dx: bool = True) -> tuple[Array, Callable[[Array], Array | None]]:
    """:class:`MaxPool2D`'s output and backward."""
    taps, inside = im2col(x, window, border=-xp.inf), im2col(xp.ones_like(x), window) > 0  # c, m, n, s, i, j
    C, k1, k2, N, rows, cols = taps.shape
    taps, inside = taps.reshape(C, -1, N, rows, cols), inside.reshape(C, -1, N, rows, cols)
    y = taps.max(1)
    first = (inside & (taps == y[:, None])).argmax(1)  # the flat index of (m, n)
    last = k1 * k2 - 1 - (taps != taps)[:, ::-1].argmax(1)
    winner = xp.where(y == y, first, last)  # the first of equal maxima, but the last NaN, as in PyTorch

    def backward(dy: Array) -> Array | None:
        if not needs_dx:
            return None
        won = xp.arange(k1 * k2).reshape(1, -1, 1, 1, 1) == winner[:, None]
        dtaps = won * dy.swapaxes(0, 1)[:, None]  # dE/dy goes to the winner alone
        return col2im(dtaps.reshape(C, k1, k2, N, rows, cols), x.shape, window)

    return y.swapaxes(0, 1), backward


@accelerated
def mean_pool(x: Array, window: Window) -> tuple[Array, Callable[[Array], Array | None]]:
    """:class:`AvgPool2D`'s output and backward."""
    taps = im2col(x, window)  # c, m, n, s, i, j
    shape, (k1, k2) = taps.shape, window.size

    def backward(dy: Array) -> Array:
        share = dy.swapaxes(0, 1)[:, None, None] / (k1 * k2)  # the same for each element of the window
        return col2im(xp.broadcast_to(share, shape), x.shape, window)

    return taps.mean((1, 2)).swapaxes(0, 1), backward


class Pool(Layer):
    """The base of pooling layers: the window and its checks.

    Attributes:
        axes: 2 for images, 1 for signals.
    """

    axes: ClassVar[int] = 2

    def __init__(self, size: Size, stride: Size | None = None, padding: Size = 0) -> None:
        super().__init__()
        self.size = lengths(size, "size", 1, self.axes)
        self.stride = self.size if stride is None else lengths(stride, "stride", 1, self.axes)
        self.padding = lengths(padding, "padding", 0, self.axes)
        if any(p >= k for p, k in zip(self.padding, self.size, strict=True)):
            raise ValueError(f"padding: expected less than the window's size {self.size}, got {self.padding}")

    def _arguments(self) -> str:
        usual: dict[str, object] = {"stride": self.size, "padding": (0,) * self.axes}
        return brief(usual, size=self.size, stride=self.stride, padding=self.padding)


class MaxPool2D(Pool):
    """The largest value under each window::

        y[c,i,j]  = max_{m,n} x[c, i*s1+m, j*s2+n]
        dE/dx[c,i*s1+m,j*s2+n]  += dE/dy[c,i,j]   for the (m, n) of the maximum, the first one of equals

    A NaN under the window is the maximum (the last one of several). The padding never is, even beside -infinity.

    Args:
        size: (k1, k2) of the window, or one number for both.
        stride: (s1, s2), step of the window; by default its size. Windows overlap if it is less.
        padding: (p1, p2), rows and columns of -infinity on each side; less than the size.

    Shapes: input (N, C, H, W), output (N, C, H', W') with H' = floor((H + 2 p1 - k1) / s1) + 1 and W' likewise.

    Raises:
        ValueError: a setting is out of its range.

    >>> MaxPool2D(2)(asarray([[[[1.0, 2.0], [3.0, 4.0]]]]))
    array([[[[4.]]]], dtype=float32)
    """

    separable = True
    equation = "max_pool"

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        window = Window(self.size, self.stride, self.padding)
        self._check_images(x, "C", window)
        return max_pool(x, window, needs_dx)


class AvgPool2D(Pool):
    """The mean over each window, padding (zeros) included::

        y[c,i,j]  = 1/(k1 k2) sum_{m,n} x[c, i*s1+m, j*s2+n]
        dE/dx[c,i*s1+m,j*s2+n]  += 1/(k1 k2) dE/dy[c,i,j]

    Arguments, shapes and errors as for :class:`MaxPool2D`.

    >>> AvgPool2D(2)(asarray([[[[1.0, 2.0], [3.0, 4.0]]]]))
    array([[[[2.5]]]], dtype=float32)
    """

    separable = True
    equation = "mean_pool"

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        window = Window(self.size, self.stride, self.padding)
        self._check_images(x, "C", window)
        return mean_pool(x, window)


class GlobalAvgPool2D(Layer):
    """The mean of each channel, for images of any size::

        y[c]          = 1/(H W) sum_{i,j} x[c,i,j]
        dE/dx[c,i,j]  = 1/(H W) dE/dy[c]

    Shapes: input (N, C, H, W), output (N, C). Source: Lin, Chen, Yan, "Network in network", 2014, section 3.2.

    >>> GlobalAvgPool2D()(asarray(np.ones((2, 3, 4, 4)))).shape
    (2, 3)
    """

    separable = True
    lengths: ClassVar[str] = "HW"

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check(x, "N", "C", *self.lengths)
        axes = tuple(range(2, x.ndim))
        size = math.prod(x.shape[2:])  # H W

        def backward(dy: Array) -> Array:
            return xp.broadcast_to(xp.expand_dims(1 / size * dy, axes), x.shape)

        return x.mean(axes), backward
