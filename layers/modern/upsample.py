"""Larger images by repetition."""

from ...backend import Array
from ..base import Backward, Layer
from ..settings import Size, lengths


class Upsample2D(Layer):
    """Nearest-neighbour upsampling: each pixel repeated s1 times along the height and s2 times along the width::

        y[c,i,j]      = x[c, floor(i/s1), floor(j/s2)]
        dE/dx[c,i,j]  = sum_{m,n} dE/dy[c, i*s1+m, j*s2+n],    0 <= m < s1, 0 <= n < s2

    Args:
        scale: (s1, s2), or one number for both.

    Shapes: input (N, C, H, W), output (N, C, s1 H, s2 W).

    Raises:
        ValueError: a scale is not a whole number of at least 1.

    Source: Odena, Dumoulin, Olah, "Deconvolution and checkerboard artifacts", 2016.

    >>> Upsample2D(2)(asarray([[[[1.0, 2.0]]]]))
    array([[[[1., 1., 2., 2.],
             [1., 1., 2., 2.]]]], dtype=float32)
    """

    separable = True

    def __init__(self, scale: Size = 2) -> None:
        super().__init__()
        self.scale = lengths(scale, "scale", 1, 2)

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check(x, "N", "C", "H", "W")
        (N, C, H, W), (s1, s2) = x.shape, self.scale

        def backward(dy: Array) -> Array:
            return dy.reshape(N, C, H, s1, W, s2).sum((3, 5))

        return x.repeat(s1, 2).repeat(s2, 3), backward
