"""One value per channel, for signals and images of any size."""

from typing import ClassVar

from ...backend import Array, xp
from ..base import Backward, Layer
from ..pool import GlobalAvgPool2D


class GlobalMaxPool2D(Layer):
    """The largest value of each channel, for images of any size::

        y[c]          = max_{i,j} x[c,i,j]
        dE/dx[c,i,j]  = dE/dy[c] for the (i, j) of the maximum, the first one of equals, else 0

    If there is a NaN, it is the maximum.

    Shapes: input (N, C, H, W), output (N, C). Source: Oquab, Bottou, Laptev, Sivic, "Is object localization for free?",
    2015, section 3.

    >>> GlobalMaxPool2D()(asarray([[[[1.0, 2.0], [4.0, 3.0]]]]))
    array([[4.]], dtype=float32)
    """

    separable = True
    lengths: ClassVar[str] = "HW"

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check(x, "N", "C", *self.lengths)
        values = x.reshape(*x.shape[:2], -1)
        winner = values.argmax(2)[:, :, None]

        def backward(dy: Array) -> Array:
            won = xp.arange(values.shape[2]) == winner
            return xp.where(won, dy[:, :, None], 0).reshape(x.shape)

        return values.max(2), backward


class GlobalMaxPool1D(GlobalMaxPool2D):
    """The largest value of each channel, for signals of any length::

        y[c]        = max_j x[c,j]
        dE/dx[c,j]  = dE/dy[c] for the j of the maximum, the first one of equals, else 0

    Shapes: input (N, C, L), output (N, C).

    >>> GlobalMaxPool1D()(asarray([[[1.0, 4.0, 3.0]]]))
    array([[4.]], dtype=float32)
    """

    lengths = "L"


class GlobalAvgPool1D(GlobalAvgPool2D):
    """The mean of each channel, for signals of any length::

        y[c]        = 1/L sum_j x[c,j]
        dE/dx[c,j]  = 1/L dE/dy[c]

    Shapes: input (N, C, L), output (N, C). For images use :class:`GlobalAvgPool2D`.

    >>> GlobalAvgPool1D()(asarray([[[1.0, 4.0, 4.0]]]))
    array([[3.]], dtype=float32)
    """

    lengths = "L"
