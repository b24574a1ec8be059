"""Transposed convolution: a convolution's backward pass as a layer, from small images to large ones."""

from collections.abc import Callable

import numpy as np

from ...backend import Array, Pair, Params, Rng, Window
from ..base import Backward
from ..conv import Convolution
from ..im2col import col2im, im2col
from ..init import Init, affine
from ..parameters import with_biases
from ..settings import Size, lengths


def conv_transpose2d(
    x: Array, params: Params, window: Window, groups: int, size: Pair, needs_dx: bool = True
) -> tuple[Array, Callable[[Array, Params], Array | None]]:
    """:class:`ConvTranspose2D`'s output, images of this size, and ``backward(delta, grads) -> dE/dx``."""
    W, b = params["W"], params["b"]
    (N, C, rows, cols), (_, D, k1, k2), G = x.shape, W.shape, groups
    K = W.reshape(G, C // G, -1)  # g, c, (d,m,n)
    pixels = x.swapaxes(0, 1).reshape(G, C // G, -1)  # g, c, (s,i,j)
    taps = (K.mT @ pixels).reshape(G * D, k1, k2, N, rows, cols)
    y = col2im(taps, (N, G * D, *size), window) + b[:, None, None]  # as Conv2D's dE/do

    def backward(delta: Array, grads: Params) -> Array | None:
        grads["b"] += delta.sum((0, 2, 3))
        col = im2col(delta, window)[..., :rows, :cols].reshape(G, -1, N * rows * cols)  # g, (d,m,n), (s,i,j)
        grads["W"] += (pixels @ col.mT).reshape(W.shape)  # as Conv2D's dE/dW
        return (K @ col).reshape(C, N, rows, cols).swapaxes(0, 1) if needs_dx else None  # as Conv2D's output

    return y, backward


class ConvTranspose2D(Convolution):
    r"""Transposed convolution: its output is dE/do of the :class:`Conv2D` with the same W for which x is dE/dx.

    Each pixel of the input is multiplied by a kernel, and the products are summed where they overlap (x is the input, y
    the output, delta = dE/dy; one group)::

        y[d, i s1 + m d1 - p1, j s2 + n d2 - p2]  += sum_c x[c,i,j] W[c,d,m,n],    for every m, n, i and j; then + b[d]
        dE/dW[c,d,m,n]  = sum_{i,j} x[c,i,j] delta[d, i s1 + m d1 - p1, j s2 + n d2 - p2]
        dE/db[d]        = sum_{i,j} delta[d,i,j]
        dE/dx[c,i,j]    = sum_{d,m,n} W[c,d,m,n] delta[d, i s1 + m d1 - p1, j s2 + n d2 - p2]

    Terms outside the output are dropped. With im2col and col2im these are Conv2D's products, in which the input and the
    output's gradient have changed places::

        y = col2im(W^T x) + b,    dE/dW = x col^T,    dE/dx = W col,    col = im2col(delta)

    Args:
        in_channels: C.
        out_channels: D.
        kernel_size: (k1, k2), or one number for both.
        stride: (s1, s2), step from a pixel's place in the output to the next one's.
        padding: (p1, p2), rows and columns that are cut off on each side of the output.
        output_padding: additional rows and columns at the bottom and on the right, fewer than the stride or the
            dilation. A Conv2D with stride s gives the same output size for s different input sizes; this chooses one.
        groups: G, a divisor of C and D.
        dilation: (d1, d2), distance between the pixels under neighbouring kernel elements.
        bias, rng, dtype: as for :class:`Conv2D`.
        init: the rule for the initial kernels, drawn with shape (D, C/G, k1, k2) and fan-in C/G k1 k2 / (s1 s2), the
            number of terms in each pixel of the output.

    Shapes: input (N, C, H, W), output (N, D, H', W') with H' = (H - 1) s1 - 2 p1 + d1 (k1 - 1) + 1 + the output
    padding, W' likewise; W (C, D/G, k1, k2), b (D,), as in PyTorch.

    Raises:
        ValueError: a setting is out of its range, groups does not divide C and D, or the padding cuts off the whole
            output.

    Source: Zeiler, Krishnan, Taylor, Fergus, "Deconvolutional networks", 2010; Dumoulin, Visin, "A guide to convolution
    arithmetic for deep learning", 2016, chapter 4.

    >>> ConvTranspose2D(8, 3, 4, stride=2, padding=1, rng=0)(xp.zeros((2, 8, 7, 7), dtype="float32")).shape
    (2, 3, 14, 14)
    """

    separable = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        *,
        dilation: Size = 1,
        bias: bool = True,
        init: Init = "he_uniform",
        rng: Rng = None,
        dtype: str = "float32",
    ) -> None:
        padding = lengths(padding, "padding", 0, 2)  # refuses "same"
        settings = kernel_size, stride, padding, dilation, groups
        super().__init__(in_channels, out_channels, *settings, bias=bias, init=init, rng=rng, dtype=dtype)
        self.output_padding = lengths(output_padding, "output_padding", 0, 2)
        if any(p >= max(s, d) for p, s, d in zip(self.output_padding, self.stride, self.dilation, strict=True)):
            raise ValueError(
                f"output_padding: expected less than the stride {self.stride} or the dilation {self.dilation}, got "
                f"{output_padding}"
            )

    def _initial(self, rng: Rng, init: Init, dtype: str) -> dict[str, np.ndarray]:
        (k1, k2), (s1, s2), G = self.kernel_size, self.stride, self.groups
        C, D = self.in_channels // G, self.out_channels // G
        fan_in = max(1, C * k1 * k2 // (s1 * s2))
        first = affine(rng, init, (G * D, C, k1, k2), dtype, self.bias, fan_in)
        first["W"] = first["W"].reshape(G, D, C, k1, k2).swapaxes(1, 2).reshape(G * C, D, k1, k2)
        return first

    @property
    def _window(self) -> Window:
        return Window(self.kernel_size, self.stride, self.pads[0], self.dilation)

    def _size(self, image: tuple[int, ...]) -> Pair:
        """(H', W') for images (H, W)."""
        (H, W), (k1, k2), (s1, s2), (p1, p2), (d1, d2) = image, *self._window
        m, n = self.output_padding
        return (H - 1) * s1 - 2 * p1 + d1 * (k1 - 1) + 1 + m, (W - 1) * s2 - 2 * p2 + d2 * (k2 - 1) + 1 + n

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check(x, "N", self.in_channels, "H", "W")
        size, params = self._size(x.shape[2:]), with_biases(self.params, b=self.out_channels)
        if min(size) < 1:
            raise ValueError(f"{self}: the padding leaves nothing of the output, of size {size}")
        y, backward = conv_transpose2d(x, params, self._window, self.groups, size, needs_dx)
        return y, lambda dy: backward(dy, with_biases(self.grads, b=self.out_channels))
