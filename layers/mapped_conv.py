"""Convolution with a connection table, as in layer C3 of the published LeNet-5."""

from collections.abc import Sequence

import numpy as np

from ..backend import Array, Rng, Window, xp
from .base import Backward, Layer
from .conv import conv2d
from .init import affine
from .settings import brief, pair, positive


class MappedConv2D(Layer):
    r"""Two-dimensional convolution in which each output map reads only some of the input maps.

    W holds one kernel for each connection l, from input map c_l to output map d_l. Forward and backward are those of
    :class:`Conv2D` with kernels K, which are 0 where there is no connection::

        K[d,c]    = W[l] where (d, c) = (d_l, c_l) for an l, else 0
        x[d,i,j]  = sum_{c,m,n} K[d,c,m,n] o[c,i+m,j+n] + b[d]
        dE/dW[l]  = dE/dK[d_l,c_l]
        dE/do     = delta * K,    dE/db[d] = sum_{i,j} delta[d,i,j]

    Args:
        in_channels: C.
        connections: for each output map, the input maps that it reads: indices from 0 to C - 1 without repetition.
        kernel_size, stride, padding: as for :class:`Conv2D`.
        rng: seed or generator of the initial weights (He uniform; b uniform in ±1/sqrt(fan-in), where the fan-in of an
            output map is k1*k2 times the number of its connections).
        dtype: of the parameters and the input.

    Shapes: input (N, C, H, W), output (N, D, H', W') as for Conv2D with D = len(connections); W (L, k1, k2) with the L
    connections in the table's order, b (D,).

    Raises:
        ValueError: the table is empty, or an output map reads no input map, the same one twice, or one that does not
            exist.

    Source: LeCun et al., "Gradient-based learning applied to document recognition", 1998, II.B, Table I.

    >>> MappedConv2D(3, connections=[(0, 1), (2,)], kernel_size=5, rng=0).params["W"].shape
    (3, 5, 5)
    """

    separable = True
    equation = "conv2d"

    def __init__(
        self,
        in_channels: int,
        connections: Sequence[Sequence[int]],
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        *,
        rng: Rng = None,
        dtype: str = "float32",
    ) -> None:
        rng, self.connections = np.random.default_rng(rng), tuple(map(tuple, connections))
        for d, channels in enumerate(self.connections):
            if not channels or len(set(channels)) < len(channels) or not all(0 <= c < in_channels for c in channels):
                raise ValueError(
                    f"MappedConv2D: expected output map {d} to read input maps from 0 to {in_channels - 1}, at least "
                    f"one and none twice, got {channels}"
                )
        positive(in_channels=in_channels, out_channels=len(self.connections))
        self.in_channels, self.out_channels = in_channels, len(self.connections)
        self.kernel_size = k1, k2 = pair(kernel_size, "kernel_size", 1)
        self.stride = pair(stride, "stride", 1)
        self.padding = pair(padding, "padding", 0)
        initial = [affine(rng, "he_uniform", (1, len(maps), k1, k2), dtype) for maps in self.connections]
        super().__init__(
            W=np.concatenate([values["W"][0] for values in initial]),
            b=np.concatenate([values["b"] for values in initial]),
        )
        self._places = xp.asarray([d * in_channels + c for d, c in self.pairs])

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """(d_l, c_l) of each connection l, in the order of W."""
        return [(d, c) for d, maps in enumerate(self.connections) for c in maps]

    @property
    def kernels(self) -> Array:
        """K (D, C, k1, k2), a new array: the W of an equivalent Conv2D."""
        W = self.params["W"]
        K = xp.zeros((self.out_channels * self.in_channels, *self.kernel_size), dtype=W.dtype)
        K[self._places] = W
        return K.reshape(self.out_channels, self.in_channels, *self.kernel_size)

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        window = Window(self.kernel_size, self.stride, self.padding)
        self._check_images(x, self.in_channels, window)
        K = self.kernels
        y, conv_backward = conv2d(x, {"W": K, "b": self.params["b"]}, window, 1, needs_dx)

        def backward(dy: Array) -> Array | None:
            dK = xp.zeros_like(K)
            dx = conv_backward(dy, {"W": dK, "b": self.grads["b"]})
            self.grads["W"] += dK.reshape(-1, *self.kernel_size)[self._places]
            return dx

        return y, backward

    def _arguments(self) -> str:
        usual: dict[str, object] = {"stride": (1, 1), "padding": (0, 0)}
        options = brief(usual, kernel_size=self.kernel_size, stride=self.stride, padding=self.padding)
        return f"{self.in_channels}, <{len(self.pairs)} connections to {self.out_channels} maps>, {options}"
