"""Convolution and pooling along one axis: a signal (N, C, L) is a batch of images of one row."""

from collections.abc import Callable
from typing import Any

from ...backend import Array, Params
from ..base import Backward
from ..conv import Convolution
from ..parameters import with_biases
from ..pool import Pool, max_pool, mean_pool
from ..settings import window_of


def on_signals(equation: Callable[..., Any], x: Array, *arguments: Any) -> tuple[Array, Callable[..., Array | None]]:
    """An equation for images (N, C, 1, L), applied to signals (N, C, L), and its backward."""
    y, of_images = equation(x[:, :, None], *arguments)

    def backward(dy: Array, *grads: Params) -> Array | None:
        dx = of_images(dy[:, :, None], *grads)
        return None if dx is None else dx[:, :, 0]

    return y[:, :, 0], backward


class Conv1D(Convolution):
    r"""Convolution along one axis: :class:`Conv2D` on images of one row, with kernels of one row.

    Forward and backward for stride 1, no padding, no dilation and one group (o is the input, x the output,
    delta = dE/dx)::

        x[d,j]        = sum_{c,n} W[d,c,n] o[c,j+n] + b[d]
        dE/dW[d,c,n]  = sum_j delta[d,j] o[c,j+n]
        dE/db[d]      = sum_j delta[d,j]
        dE/do[c,j]    = sum_{d,n} delta[d,j-n] W[d,c,n]

    Args:
        in_channels, out_channels, groups, bias, init, rng, dtype: as for :class:`Conv2D`.
        kernel_size, stride, padding, dilation: k, s, p and d, as for :class:`Conv2D` along one axis.

    Shapes: input (N, C, L), channels before positions as for images, output (N, D, L') with
    L' = floor((L + 2 p - d (k - 1) - 1) / s) + 1, or L with ``padding="same"``; W (D, C/G, k), b (D,).

    Raises:
        ValueError: as for :class:`Conv2D`.

    Source: Waibel et al., "Phoneme recognition using time-delay neural networks", 1989.

    >>> conv = Conv1D(3, 8, 5, padding="same", rng=0)
    >>> conv(xp.zeros((2, 3, 100), dtype="float32")).shape
    (2, 8, 100)
    """

    separable = True
    equation = "conv2d"
    axes = 1

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        window = window_of(self.kernel_size, self.stride, self.pads[1], self.dilation)
        self._check_images(x, self.in_channels, window, "L")
        y, backward = on_signals(self._correlate, x, self._of_one_row(self.params), window, needs_dx)
        return y, lambda dy: backward(dy, self._of_one_row(self.grads))

    def _of_one_row(self, arrays: Params) -> Params:
        """Kernels of one row, or their gradients, as views, and the biases."""
        W, b = (with_biases(arrays, b=self.out_channels)[key] for key in ("W", "b"))
        return {"W": W[:, :, None], "b": b}


class MaxPool1D(Pool):
    """The largest value under each window along one axis::

        y[c,j]           = max_n x[c, j*s+n]
        dE/dx[c,j*s+n]  += dE/dy[c,j]   for the n of the maximum, the first one of equals

    Args:
        size: k, the window's size.
        stride: s, step of the window; by default its size.
        padding: p, values of -infinity at each end; less than the size.

    Shapes: input (N, C, L), output (N, C, L') with L' = floor((L + 2 p - k) / s) + 1.

    NaN is treated, and errors are raised, as by :class:`MaxPool2D`.

    >>> MaxPool1D(2)(asarray([[[1.0, 2.0, 4.0, 3.0]]]))
    array([[[2., 4.]]], dtype=float32)
    """

    separable = True
    equation = "max_pool"
    axes = 1

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        window = window_of(self.size, self.stride, self.padding)
        self._check_images(x, "C", window, "L")
        return on_signals(max_pool, x, window, needs_dx)


class AvgPool1D(Pool):
    """The mean over each window along one axis, padding (zeros) included::

        y[c,j]           = 1/k sum_n x[c, j*s+n]
        dE/dx[c,j*s+n]  += 1/k dE/dy[c,j]

    Arguments, shapes and errors as for :class:`MaxPool1D`.

    >>> AvgPool1D(2)(asarray([[[1.0, 2.0, 4.0, 3.0]]]))
    array([[[1.5, 3.5]]], dtype=float32)
    """

    separable = True
    equation = "mean_pool"
    axes = 1

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        window = window_of(self.size, self.stride, self.padding)
        self._check_images(x, "C", window, "L")
        return on_signals(mean_pool, x, window)
