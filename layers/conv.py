"""The seed's convolution (section "CNN"), as im2col and matrix multiplication."""

import numpy as np

from ..backend import Array, Rng, col2im, im2col, output_size, row_blocks, xp
from .base import Backward, Layer, brief, pair, positive
from .init import he_uniform


class Conv2D(Layer):
    r"""Two-dimensional convolution of the seed: cross-correlation with D kernels and a bias each.

    Forward and backward, for stride 1 and padding 0 (o is the input, delta = dE/dx, x the output)::

        x[d,i,j]        = sum_{c,m,n} W[d,c,m,n] o[c,i+m,j+n] + b[d]
        dE/dW[d,c,m,n]  = sum_{i,j} delta[d,i,j] o[c,i+m,j+n]             = rot180(delta) * o
        dE/db[d]        = sum_{i,j} delta[d,i,j]
        dE/do[c,i,j]    = sum_{d,m,n} delta[d,i-m,j-n] W[d,c,m,n]         = delta * W

    In the right-hand forms ``*`` is true convolution, which turns the kernel by 180 degrees:
    (I * K)_ij = sum_{m,n} I(i-m, j-n) K(m,n). So the forward pass is rot180(W) * o, and a kernel meant for true
    convolution goes in as ``W[..., ::-1, ::-1]``.

    With im2col each becomes one matrix product over columns, col[(c,m,n), (i,j)] = o[c,i+m,j+n]::

        x = W col + b,    dE/dW = delta col^T,    dE/do = col2im(W^T delta)

    Args:
        in_channels: C.
        out_channels: D, the number of kernels.
        kernel_size: (k1, k2), or one number for both.
        stride: step of the kernel (s1, s2), or one number for both.
        padding: rows and columns of zeros around the image (p1, p2), or one number for both.
        rng: seed or generator of the initial weights (He uniform; b starts at 0).
        dtype: of the parameters and of the input that forward accepts.

    Shapes:
        input (N, C, H, W), output (N, D, H', W') with H' = floor((H + 2 p1 - k1) / s1) + 1 and W' likewise;
        W (D, C, k1, k2), b (D,). In memory the output has the batch last, carried by its strides.

    Source: the seed, "卷积计算" to "相邻两层输入之间的导数"; jefkine.com, "Backpropagation in convolutional neural
    networks", 2016.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        *,
        rng: Rng = None,
        dtype: str = "float32",
    ) -> None:
        positive(in_channels=in_channels, out_channels=out_channels)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size = k1, k2 = pair(kernel_size, "kernel_size", 1)
        self.stride = pair(stride, "stride", 1)
        self.padding = pair(padding, "padding", 0)
        super().__init__(
            W=he_uniform(rng, (out_channels, in_channels, k1, k2), in_channels * k1 * k2, dtype),
            b=np.zeros(out_channels, dtype),
        )

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check(x, "N", self.in_channels, "H", "W")
        (N, C, H, width), D = x.shape, self.out_channels
        (k1, k2), (s1, s2), (p1, p2) = self.kernel_size, self.stride, self.padding
        H_out, W_out = output_size(H, k1, s1, p1), output_size(width, k2, s2, p2)
        if H_out < 1 or W_out < 1:
            raise ValueError(f"{self}: the kernel is larger than the padded input of shape {x.shape}")
        W, b = self.params["W"].reshape(D, -1), self.params["b"]
        o = pad(x.transpose(1, 2, 3, 0), p1, p2)
        blocks = list(row_blocks(H_out, C * k1 * k2 * W_out * N * x.itemsize))
        z = xp.empty((D, H_out, W_out, N), dtype=x.dtype)
        for rows in blocks:
            columns = im2col(o, self.kernel_size, self.stride, rows, W_out)
            z[:, rows] = (W @ columns).reshape(D, -1, W_out, N)
        z += b[:, None, None, None]

        def backward(dy: Array) -> Array | None:
            delta = xp.ascontiguousarray(dy.transpose(1, 2, 3, 0))
            do = xp.zeros(o.shape, dtype=o.dtype) if needs_dx else None
            dW = xp.zeros_like(W)
            for rows in blocks:
                # the columns are made anew: cheaper than keeping k1*k2 copies of the input since the forward pass
                columns = im2col(o, self.kernel_size, self.stride, rows, W_out)
                block = delta[:, rows].reshape(D, -1)
                dW += block @ columns.T
                if do is not None:
                    col2im(W.T @ block, do, self.kernel_size, self.stride, rows, W_out)
            self.grads["W"] += dW.reshape(D, C, k1, k2)
            self.grads["b"] += delta.reshape(D, -1).sum(1)
            return None if do is None else do[:, p1 : p1 + H, p2 : p2 + width].transpose(3, 0, 1, 2)

        return z.transpose(3, 0, 1, 2), backward

    def _arguments(self) -> str:
        usual = {"stride": (1, 1), "padding": (0, 0)}
        options = brief(usual, kernel_size=self.kernel_size, stride=self.stride, padding=self.padding)
        return f"{self.in_channels}, {self.out_channels}, {options}"


def pad(x: Array, p1: int, p2: int, value: float = 0.0) -> Array:
    """x (C, H, W, N), contiguous, with p1 rows and p2 columns of ``value`` on each side."""
    if p1 == p2 == 0:
        return xp.ascontiguousarray(x)
    C, H, W, N = x.shape
    out = xp.full((C, H + 2 * p1, W + 2 * p2, N), value, dtype=x.dtype)
    out[:, p1 : p1 + H, p2 : p2 + W] = x
    return out
