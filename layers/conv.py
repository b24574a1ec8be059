"""The seed's convolution (section "CNN"), as im2col and matrix multiplication."""

from ..backend import Array, Rng, Tile, col2im, im2col, matmul, output_size, tiles, turned_windows, xp
from .base import Backward, Layer, brief, pair, positive
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

    With im2col each becomes matrix products, one for each output row i, over columns col_i[(m,c,n), j] = o[c,i+m,j+n],
    to which a 1 is added, so that b is one more weight::

        x_i = (W b) col_i,    dE/d(W b) = sum_i delta_i col_i^T

    The input's gradient is the convolution delta * W along the height, over the rows of delta that the kernel meets,
    and along the width col2im, im2col's adjoint, which sums over n::

        line_r[(c,n), j] = sum_{d,m} W[d,c,m,n] delta[d,r-m,j],    dE/do[c,r,j] = sum_n line_r[(c,n), j-n]

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
        W (D, C/G, k1, k2), b (D,). In memory the output has the batch last, carried by its strides.

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
        (N, C, H, width), D, G = x.shape, self.out_channels, self.groups
        (k1, k2), (s1, _), (p1, p2), (d1, _) = self.kernel_size, self.stride, self.padding, self.dilation
        H_out, W_out = map(output_size, (H, width), self.kernel_size, self.stride, self.padding, self.dilation)
        if H_out < 1 or W_out < 1:
            raise ValueError(f"{self}: the kernel is larger than the padded input of shape {x.shape}")
        padded = (C, H + 2 * p1, width + 2 * p2, N)
        if k1 == padded[1]:  # the kernel has one place along the height: its rows may count as channels
            C, k1 = C * k1, 1
        flat = (C, padded[0] * padded[1] // C, *padded[2:])
        W = self.params["W"].reshape(G, D // G, C // G, k1, k2)
        kernels = _with_bias(W, self.params["b"])
        line = max(C * k2 + G, D) * x.itemsize  # of im2col's or delta's numbers
        parts = list(tiles((H_out, W_out, N), line, k1, s1, d1))

        def columns_of(o: Array, tile: Tile) -> Array:
            return im2col(o, (k1, k2), self.stride, tile, self.dilation, G)

        o = pad(x.transpose(1, 2, 3, 0), p1, p2).reshape(flat)
        z = xp.empty((G, D // G, H_out, W_out, N), dtype=x.dtype)
        for tile in parts:
            out = z[:, :, *tile].swapaxes(1, 2)
            if out.shape[-1] == N:
                matmul(kernels, columns_of(o, tile), out.reshape(*out.shape[:3], -1))
            else:
                out[...] = matmul(kernels, columns_of(o, tile)).reshape(out.shape)

        def backward(dy: Array) -> Array | None:
            delta = dy.transpose(1, 2, 3, 0).reshape(z.shape)
            turned = W[..., ::-1, :].transpose(0, 2, 4, 3, 1).reshape(G, 1, -1, k1 * D // G)  # g, 1, (c,n), (m,d)
            do = xp.zeros(flat, dtype=dy.dtype) if needs_dx else None
            dkernels = xp.zeros((G, kernels.shape[-1], D // G), dtype=dy.dtype)
            # o and the columns are made anew: cheaper than to keep them since the forward pass
            o = pad(x.transpose(1, 2, 3, 0), p1, p2).reshape(flat)
            for tile in parts:
                block = delta[:, :, *tile].swapaxes(1, 2)  # g, i, d, j, sample
                block = block.reshape(*block.shape[:3], -1)
                dkernels += matmul(columns_of(o, tile), block.swapaxes(2, 3)).sum(1)
                if do is not None:
                    lines = matmul(turned, turned_windows(block, k1, s1, d1))
                    col2im(lines, do, (k1, k2), self.stride, tile, self.dilation)
            dkernels = dkernels.swapaxes(1, 2).reshape(D, k1, -1)
            dW = dkernels[:, :, :-1].reshape(D, k1, C // G, k2).swapaxes(1, 2)
            self.grads["W"] += dW.reshape(self.params["W"].shape)
            self.grads["b"] += dkernels[:, 0, -1]
            return None if do is None else do.reshape(padded)[:, p1 : p1 + H, p2 : p2 + width].transpose(3, 0, 1, 2)

        return z.reshape(D, H_out, W_out, N).transpose(3, 0, 1, 2), backward

    def _arguments(self) -> str:
        usual = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
        options = brief(usual, **{key: getattr(self, key) for key in ("kernel_size", *usual)})
        return f"{self.in_channels}, {self.out_channels}, {options}"


def _with_bias(W: Array, b: Array) -> Array:
    """W (G, D/G, C/G, k1, k2) in im2col's order (m,c,n), and b where its columns have the first 1: (G, 1, D/G, K)."""
    G, D, C, k1, k2 = W.shape
    kernels = xp.zeros((G, D, k1, C * k2 + 1), dtype=W.dtype)
    kernels[..., :-1].reshape(G, D, k1, C, k2)[...] = W.swapaxes(2, 3)
    kernels[:, :, 0, -1] = b.reshape(G, D)
    return kernels.reshape(G, 1, D, -1)


def pad(x: Array, p1: int, p2: int, value: float = 0.0) -> Array:
    """x (C, H, W, N), contiguous, with p1 rows and p2 columns of ``value`` on each side."""
    if p1 == p2 == 0:
        return xp.ascontiguousarray(x)
    C, H, W, N = x.shape
    out = xp.full((C, H + 2 * p1, W + 2 * p2, N), value, dtype=x.dtype)
    out[:, p1 : p1 + H, p2 : p2 + W] = x
    return out
