"""The source document's convolution (section "CNN") by im2col and matrix products."""

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np

from ..backend import Array, Params, Rng, Window, accelerated, xp
from .base import Backward, Layer
from .im2col import col2im, im2col
from .init import Init, affine
from .parameters import with_biases
from .settings import Size, lengths, positive


@accelerated
def conv2d(
    o: Array, params: Params, window: Window, groups: int, needs_dx: bool = True
) -> tuple[Array, Callable[[Array, Params], Array | None]]:
    """:class:`Conv2D`'s output, and ``backward(delta, grads) -> dE/do``, which adds dE/dW and dE/db to ``grads``."""
    W, b = params["W"], params["b"]
    G, D = groups, len(W) // groups
    col = im2col(o, window)
    C, k1, k2, N, rows, cols = col.shape
    col = col.reshape(G, -1, N * rows * cols)  # g, (c,m,n), (s,i,j)
    K = W.reshape(G, D, -1)  # g, d, (c,m,n)
    x = K @ col  # x[d,(s,i,j)] = sum_{c,m,n} W[d,c,m,n] col[(c,m,n),(s,i,j)]
    x = x.reshape(G * D, N, rows, cols).swapaxes(0, 1) + b[:, None, None]

    def backward(delta: Array, grads: Params) -> Array | None:
        grads["b"] += delta.sum((0, 2, 3))  # dE/db[d] = sum_{s,i,j} delta[s,d,i,j]
        delta = delta.swapaxes(0, 1).reshape(G, D, -1)  # g, d, (s,i,j)
        grads["W"] += (delta @ col.mT).reshape(W.shape)  # dE/dW = sum_{s,i,j} delta[d,(s,i,j)] col[(c,m,n),(s,i,j)]
        if not needs_dx:
            return None
        # dE/do[c,i,j] = sum_{m,n} sum_d W[d,c,m,n] delta[d,i-m,j-n], the document's delta * W: W^T delta sums over d,
        # col2im over (m, n). It is the full cross-correlation of delta with rot180(W).
        dcol = (K.mT @ delta).reshape(C, k1, k2, N, rows, cols)
        return col2im(dcol, o.shape, window)

    return x, backward


class Convolution(Layer):
    """The settings of a convolution, as :class:`Conv2D` has them.

    Attributes:
        axes: 2 for images, 1 for signals.
    """

    axes: ClassVar[int] = 2

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | Literal["same", "valid"] = 0,
        dilation: Size = 1,
        groups: int = 1,
        *,
        bias: bool = True,
        init: Init = "he_uniform",
        rng: Rng = None,
        dtype: str = "float32",
    ) -> None:
        positive(in_channels=in_channels, out_channels=out_channels, groups=groups)
        if in_channels % groups or out_channels % groups:
            raise ValueError(f"groups: expected a divisor of {in_channels} and {out_channels} channels, got {groups}")
        self.in_channels, self.out_channels, self.groups, self.bias = in_channels, out_channels, groups, bias
        self.kernel_size = lengths(kernel_size, "kernel_size", 1, self.axes)
        self.stride = lengths(stride, "stride", 1, self.axes)
        padding = 0 if padding == "valid" else padding
        self.padding = padding if padding == "same" else lengths(padding, "padding", 0, self.axes)
        self.dilation = lengths(dilation, "dilation", 1, self.axes)
        if padding == "same" and max(self.stride) > 1:
            raise ValueError(f"padding: 'same' needs a stride of 1, got {stride}")
        super().__init__(**self._initial(rng, init, dtype))

    def _initial(self, rng: Rng, init: Init, dtype: str) -> dict[str, np.ndarray]:
        """The first parameters."""
        shape = self.out_channels, self.in_channels // self.groups, *self.kernel_size
        return affine(rng, init, shape, dtype, self.bias)

    @property
    def pads(self) -> tuple[Any, Any]:
        """Zeros before the image and after it, along each axis."""
        if self.padding != "same":
            return self.padding, self.padding
        total = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
        return tuple(n // 2 for n in total), tuple(n - n // 2 for n in total)

    def _correlate(
        self, o: Array, params: Params, window: Window, needs_dx: bool
    ) -> tuple[Array, Callable[[Array, Params], Array | None]]:
        """:func:`conv2d` with as many zeros before the image as after it. If ``padding="same"`` needs fewer before it,
        the outputs at the surplus positions are cut off."""
        x, backward = conv2d(o, params, window, self.groups, needs_dx)
        if self.padding != "same" or self.pads[0] == self.pads[1]:
            return x, backward
        m, n = (0, *(after - before for before, after in zip(*self.pads, strict=True)))[-2:]
        return x[:, :, m:, n:], lambda delta, grads: backward(xp.pad(delta, ((0, 0), (0, 0), (m, 0), (n, 0))), grads)


class Conv2D(Convolution):
    r"""Two-dimensional convolution of the source document: cross-correlation with D kernels and a bias each.

    Forward and backward for stride 1, no padding, no dilation and one group (o is the input, x the output,
    delta = dE/dx)::

        x[d,i,j]        = sum_{c,m,n} W[d,c,m,n] o[c,i+m,j+n] + b[d]
        dE/dW[d,c,m,n]  = sum_{i,j} delta[d,i,j] o[c,i+m,j+n]             = rot180(delta) * o
        dE/db[d]        = sum_{i,j} delta[d,i,j]
        dE/do[c,i,j]    = sum_{d,m,n} delta[d,i-m,j-n] W[d,c,m,n]         = delta * W

    On the right ``*`` is true convolution, which rotates the kernel by 180 degrees:
    (I * K)_ij = sum_{m,n} I(i-m, j-n) K(m,n). The forward pass is rot180(W) * o, so a kernel K for true convolution
    is passed as W = K[..., ::-1, ::-1].

    With im2col, col[(c,m,n),(i,j)] = o[c,i+m,j+n], all three are matrix products::

        x = W col + b,    dE/dW = delta col^T,    dE/do = col2im(W^T delta)

    With stride, padding and dilation, element (m, n) of the kernel reads o[c, i s1 + m d1 - p1, j s2 + n d2 - p2],
    which is 0 outside of the image. With G groups, the D/G kernels of group g read its C/G channels only: the same
    products for each group, with the group's rows of col.

    Args:
        in_channels: C.
        out_channels: D, the number of kernels.
        kernel_size: (k1, k2), or one number for both.
        stride: (s1, s2), step of the kernel, or one number for both.
        padding: (p1, p2), rows and columns of zeros on each side of the image, or one number for both. "valid" means 0;
            "same", with stride 1, gives an output of the image's size: p = d (k - 1) / 2, with one more row or column
            at the bottom or on the right if d (k - 1) is odd.
        dilation: (d1, d2), distance between the pixels under neighbouring kernel elements, or one number for both.
        groups: G, a divisor of C and D; ``groups=in_channels`` gives depthwise convolution.
        bias: whether there is a b; without it, b = 0.
        init: the rule for the initial W, by name or as a function (:func:`initial`); b is uniform in ±1/sqrt(fan-in).
        rng: seed or generator of the initial weights.
        dtype: of the parameters and the input.

    Shapes: input (N, C, H, W), output (N, D, H', W') with H' = floor((H + 2 p1 - d1 (k1 - 1) - 1) / s1) + 1, W'
    likewise; W (D, C/G, k1, k2), b (D,).

    Raises:
        ValueError: a setting is out of its range, groups does not divide C and D, or the padding is "same" and the
            stride not 1.

    On a CPU, one product computes several rows of the output and multiplies a pixel by 0 for the rows whose kernel does
    not reach it. An infinite pixel therefore gives NaN in those rows, too.

    Source: the source document, "卷积计算" to "相邻两层输入之间的导数"; jefkine.com, "Backpropagation in convolutional
    neural networks", 2016. Groups: Krizhevsky, Sutskever, Hinton, "ImageNet classification with deep convolutional
    neural networks", 2012. Dilation: Yu, Koltun, "Multi-scale context aggregation by dilated convolutions", 2016.

    >>> conv = Conv2D(1, 6, 5, padding=2, rng=0)
    >>> conv(xp.zeros((2, 1, 28, 28), dtype="float32")).shape
    (2, 6, 28, 28)
    """

    separable = True
    equation = "conv2d"

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        window = Window(self.kernel_size, self.stride, self.pads[1], self.dilation)
        self._check_images(x, self.in_channels, window)
        params = self.params if self.bias else with_biases(self.params, b=self.out_channels)
        y, backward = self._correlate(x, params, window, needs_dx)
        return y, lambda dy: backward(dy, self.grads if self.bias else with_biases(self.grads, b=self.out_channels))
