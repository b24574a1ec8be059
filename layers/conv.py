"""The seed's convolution (section "CNN"), as im2col and matrix multiplication."""

from collections.abc import Callable

from ..backend import Array, Pair, Rng, batch_first, fused, rows_first
from .base import Backward, Layer, brief, pair, positive
from .correlation import correlation_of
from .init import affine


class Conv2D(Layer):
    r"""Two-dimensional convolution of the seed: cross-correlation with D kernels and a bias each.

    Forward and backward, for stride 1, no padding, no dilation, one group (o is the input, delta = dE/dx, x the
    output)::

        x[d,i,j]        = sum_{c,m,n} W[d,c,m,n] o[c,i+m,j+n] + b[d]
        dE/dW[d,c,m,n]  = sum_{i,j} delta[d,i,j] o[c,i+m,j+n]             = rot180(delta) * o
        dE/db[d]        = sum_{i,j} delta[d,i,j]
        dE/do[c,i,j]    = sum_{d,m,n} delta[d,i-m,j-n] W[d,c,m,n]         = delta * W

    In the right-hand forms ``*`` is true convolution, which turns the kernel by 180 degrees:
    (I * K)_ij = sum_{m,n} I(i-m, j-n) K(m,n). So the forward pass is rot180(W) * o, and a kernel meant for true
    convolution goes in as ``W[..., ::-1, ::-1]``.

    With im2col (:class:`~xpnn.layers.correlation.Correlation`) each becomes matrix products, one for each output row i,
    or for a few rows at once, over columns col_i[(m,c,n), j] = o[c,i+m,j+n],
    to which a 1 is added, so that b is one more weight::

        x_i = (W b) col_i,    dE/d(W b) = sum_i delta_i col_i^T

    A product for a few rows counts pixels that only another one's kernel meets with weight 0, so an infinite pixel
    makes NaN in those rows too.

    The input's gradient is the convolution delta * W along the height, over the rows of delta that the kernel meets,
    and along the width col2im, im2col's adjoint, which sums over n::

        line_r[(c,n), j] = sum_{d,m} W[d,c,m,n] delta[d,r-m,j],    dE/do[c,r,j] = sum_n line_r[(c,n), j-n]

    Where there are no more kernels than channels, or k2 = 1, the stride is 1 and the padding less than the kernel,
    delta * W as it stands takes less time: the cross-correlation of rot180(W) and delta with a border of zeros.

    A device adds up the same products without copying the columns out, where the stride is 1, G = 1 and y more than one
    pixel.

    With dilation the kernel's place (m, n) reads o[c, i + d1 m, j + d2 n]. With G groups, group g's D/G kernels see its
    C/G channels only: the same products, one for each group, over the group's rows of col.

    Args:
        in_channels: C.
        out_channels: D, the number of kernels.
        kernel_size: (k1, k2), or one number for both.
        stride: step of the kernel (s1, s2), or one number for both.
        padding: rows and columns of zeros around the image (p1, p2), or one number for both.
        dilation: distance between the pixels under neighbouring places of the kernel (d1, d2), or one number for both.
        groups: G, a divisor of C and D; ``groups=in_channels`` is the depthwise convolution.
        rng: seed or generator of the initial weights (He uniform; b uniform in ±1/sqrt(fan-in)).
        dtype: of the parameters and of the input that forward accepts.

    Shapes:
        input (N, C, H, W), output (N, D, H', W') with H' = floor((H + 2 p1 - d1 (k1 - 1) - 1) / s1) + 1, W' likewise;
        W (D, C/G, k1, k2), b (D,). In memory the output has its rows first and the batch last, carried by its strides.

    Raises:
        ValueError: a number is out of its range, or groups divides not both channel numbers.

    Source: the seed, "卷积计算" to "相邻两层输入之间的导数"; jefkine.com, "Backpropagation in convolutional neural
    networks", 2016. Groups: Krizhevsky, Sutskever, Hinton, "ImageNet classification with deep convolutional neural
    networks", 2012. Dilation: Yu, Koltun, "Multi-scale context aggregation by dilated convolutions", 2016.
    """

    separable = True

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
        rng: Rng = None,
        dtype: str = "float32",
    ) -> None:
        positive(in_channels=in_channels, out_channels=out_channels, groups=groups)
        if in_channels % groups or out_channels % groups:
            raise ValueError(f"groups: expected a divisor of {in_channels} and {out_channels} channels, got {groups}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = k1, k2 = pair(kernel_size, "kernel_size", 1)
        self.stride = pair(stride, "stride", 1)
        self.padding = pair(padding, "padding", 0)
        self.dilation = pair(dilation, "dilation", 1)
        fan_in = in_channels // groups * k1 * k2
        super().__init__(**affine(rng, (out_channels, in_channels // groups, k1, k2), fan_in, dtype))

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check(x, "N", self.in_channels, "H", "W")
        self._check_window(x, self.kernel_size, self.stride, self.padding, self.dilation)
        W, b = self.params["W"], self.params["b"]
        y, add_gradients = correlate(x, W, b, self.stride, self.padding, self.dilation, self.groups, needs_dx)
        return y, lambda dy: add_gradients(dy, self.grads["W"], self.grads["b"])

    def _arguments(self) -> str:
        usual = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
        options = brief(usual, **{key: getattr(self, key) for key in ("kernel_size", *usual)})
        return f"{self.in_channels}, {self.out_channels}, {options}"


@fused
def correlate(
    x: Array, W: Array, b: Array, stride: Pair, padding: Pair, dilation: Pair, groups: int, needs_dx: bool
) -> tuple[Array, Callable[[Array, Array, Array], Array | None]]:
    """:class:`Conv2D`'s output and ``backward(dy, dW, db) -> dx``, which adds dE/dW to dW and dE/db to db."""
    correlation = correlation_of(x.shape, len(W), W.shape[2:], stride, padding, dilation, groups)
    y, kept = correlation.forward(x, W, b)

    def backward(dy: Array, dW: Array, db: Array) -> Array | None:
        delta = rows_first(dy)
        correlation.add_gradients(x, kept, delta, dW, db)
        return batch_first(correlation.input_gradient(delta, W)) if needs_dx else None

    return batch_first(y), backward
