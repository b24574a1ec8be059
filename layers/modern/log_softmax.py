"""The logarithm of the softmax."""

from ...backend import Array, xp
from ..base import Backward, Layer


class LogSoftmax(Layer):
    """a_i = z_i - log sum_j exp(z_j) over the last axis; dE/dz_i = delta_i - exp(a_i) sum_j delta_j.

    Any shape; delta = dE/da. To train a classifier, omit this layer: :class:`SoftmaxCrossEntropy` takes logits.

    >>> LogSoftmax()(asarray([0.0, 0.0])).round(3)
    array([-0.693, -0.693], dtype=float32)
    """

    separable = True
    keeps_steps = True

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check(x, "...")
        z = x - x.max(-1, keepdims=True)  # the largest exponent is 0: no overflow
        a = z - xp.log(xp.exp(z).sum(-1, keepdims=True))

        def backward(dy: Array) -> Array:
            return dy - xp.exp(a) * dy.sum(-1, keepdims=True)

        return a, backward
