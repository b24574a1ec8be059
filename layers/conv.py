"""The source document's convolution (section "CNN") by im2col and matrix products."""

from collections.abc import Callable

from ..backend import Array, Params, Rng, Window, accelerated
from .base import Backward, Layer
from .im2col import col2im, im2col
from .init import Init, affine
from .parameters import with_biases
from .settings import brief, pair, positive


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


class Conv2D(Layer):
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
        padding: (p1, p2), rows and columns of zeros on each side of the image, or one number for both.
        dilation: (d1, d2), distance of the pixels under neighbouring kernel elements, or one number for both.
        groups: G, a divisor of C and D; ``groups=in_channels`` gives depthwise convolution.
        bias: whether there is a b; else it is 0 throughout.
        init: the rule of the first W, by name or as a function (:func:`initial`); b is uniform in ±1/sqrt(fan-in).
        rng: seed or generator of the initial weights.
        dtype: of the parameters and the input.

    Shapes: input (N, C, H, W), output (N, D, H', W') with H' = floor((H + 2 p1 - d1 (k1 - 1) - 1) / s1) + 1, W'
    likewise; W (D, C/G, k1, k2), b (D,).

    Raises:
        ValueError: a setting is out of its range, or groups does not divide C and D.

    On a CPU, several rows of the output come from one product, in which each pixel is multiplied by 0 for the rows
    whose kernel does not reach it. An infinite pixel therefore gives NaN in those rows, too.

    Source: the source document, "卷积计算" to "相邻两层输入之间的导数"; jefkine.com, "Backpropagation in convolutional
    neural networks", 2016. Groups: Krizhevsky, Sutskever, Hinton, "ImageNet classification with deep convolutional
    neural networks", 2012. Dilation: Yu, Koltun, "Multi-scale context aggregation by dilated convolutions", 2016.

    >>> conv = Conv2D(1, 6, 5, padding=2, rng=0)
    >>> conv(xp.zeros((2, 1, 28, 28), dtype="float32")).shape
    (2, 6, 28, 28)
    """

    separable = True
    equation = "conv2d"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
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
        self.kernel_size = k1, k2 = pair(kernel_size, "kernel_size", 1)
        self.stride = pair(stride, "stride", 1)
        self.padding = pair(padding, "padding", 0)
        self.dilation = pair(dilation, "dilation", 1)
        super().__init__(**affine(rng, init, (out_channels, in_channels // groups, k1, k2), dtype, bias))

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        window = Window(self.kernel_size, self.stride, self.padding, self.dilation)
        self._check_images(x, self.in_channels, window)
        y, backward = conv2d(x, with_biases(self.params, b=self.out_channels), window, self.groups, needs_dx)
        return y, lambda dy: backward(dy, with_biases(self.grads, b=self.out_channels))

    def _arguments(self) -> str:
        usual = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1, "bias": True}
        options = brief(usual, **{key: getattr(self, key) for key in ("kernel_size", *usual)})
        return f"{self.in_channels}, {self.out_channels}, {options}"
