"""Trainable subsampling, the pooling of the published LeNet-5."""

from ..backend import Array, Rng, Window
from .base import Backward, Layer
from .init import affine
from .pool import mean_pool
from .settings import pair, positive


class Subsample2D(Layer):
    r"""The sum over each window, times a trainable coefficient, plus a trainable bias, one of each per map.

    Forward and backward (adjacent windows of k1 by k2; delta = dE/dy)::

        s[c,i,j]  = sum_{m,n} x[c, i*k1+m, j*k2+n]
        y[c,i,j]  = W[c] s[c,i,j] + b[c]
        dE/dW[c]  = sum_{i,j} delta[c,i,j] s[c,i,j]
        dE/db[c]  = sum_{i,j} delta[c,i,j]
        dE/dx[c, i*k1+m, j*k2+n]  = W[c] delta[c,i,j]

    The squashing function that follows in the published S2 and S4 is a separate layer, :class:`ScaledTanh`.

    Args:
        channels: C, the number of maps.
        size: the window's size (k1, k2), or one number for both; the windows do not overlap.
        rng: seed or generator of the initial values (W He uniform, fan-in k1*k2; b uniform in ±1/sqrt(fan-in)).
        dtype: of the parameters and the input.

    Shapes: input (N, C, H, W), output (N, C, floor(H / k1), floor(W / k2)), without the rows and columns left over at
    the bottom and the right; W (C,), b (C,).

    Raises:
        ValueError: a setting is out of its range.

    Source: LeCun et al., "Gradient-based learning applied to document recognition", 1998, II.A, II.B.

    >>> Subsample2D(6, rng=0)(asarray(np.ones((2, 6, 28, 28)))).shape
    (2, 6, 14, 14)
    """

    separable = True
    equation = "mean_pool"

    def __init__(
        self, channels: int, size: int | tuple[int, int] = 2, *, rng: Rng = None, dtype: str = "float32"
    ) -> None:
        positive(channels=channels)
        self.channels = channels
        self.size = k1, k2 = pair(size, "size", 1)
        super().__init__(**affine(rng, "he_uniform", (channels,), dtype, fan_in=k1 * k2))

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        window = Window(self.size, self.size)
        self._check_images(x, self.channels, window)
        W, b = (self.params[key][:, None, None] for key in ("W", "b"))
        mean, mean_backward = mean_pool(x, window)
        area = self.size[0] * self.size[1]

        def backward(dy: Array) -> Array | None:
            self.grads["W"] += area * (dy * mean).sum((0, 2, 3))
            self.grads["b"] += dy.sum((0, 2, 3))
            return mean_backward(area * W * dy) if needs_dx else None

        return area * W * mean + b, backward
