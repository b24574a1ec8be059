"""Layer normalisation: each sample, or each of its positions, is scaled to mean 0 and variance 1."""

from collections.abc import Callable, Sequence

import numpy as np

from ...backend import Array, Params, accelerated, xp
from ..base import Backward, Layer
from ..settings import positive, real


@accelerated
def layer_norm(
    x: Array, params: Params, normalized: int, eps: float, needs_dx: bool = True
) -> tuple[Array, Callable[[Array, Params], Array | None]]:
    """y = gamma xhat + beta, with xhat normalised over the last ``normalized`` axes; without parameters, y = xhat."""
    axes, others = tuple(range(-normalized, 0)), tuple(range(x.ndim - normalized))
    gamma, beta = params.get("gamma", 1.0), params.get("beta", 0.0)
    centred = x - x.mean(axes, keepdims=True)
    invstd = 1 / xp.sqrt(xp.square(centred).mean(axes, keepdims=True) + eps)
    xhat = centred * invstd

    def backward(dy: Array, grads: Params) -> Array | None:
        if "gamma" in grads:
            grads["gamma"] += (dy * xhat).sum(others)  # dE/dgamma = sum_n dE/dy_n xhat_n
        if "beta" in grads:
            grads["beta"] += dy.sum(others)  # dE/dbeta = sum_n dE/dy_n
        if not needs_dx:
            return None
        dxhat = dy * gamma
        through_var = xhat * (dxhat * xhat).mean(axes, keepdims=True)
        return (dxhat - dxhat.mean(axes, keepdims=True) - through_var) * invstd

    return gamma * xhat + beta, backward


class LayerNorm(Layer):
    r"""Normalise each sample over its last axes, in training and inference alike.

    Forward, over the M values x_i that are normalised together::

        mean   = 1/M sum_i x_i                      var = 1/M sum_i (x_i - mean)^2
        xhat_i = (x_i - mean) / sqrt(var + eps)
        y_i    = gamma_i xhat_i + beta_i

    Backward; n counts the normalisations, one for each sample and each position along the remaining axes::

        dE/dbeta_i  = sum_n dE/dy_ni
        dE/dgamma_i = sum_n dE/dy_ni xhat_ni
        d_i         = gamma_i dE/dy_i
        dE/dx_i     = (d_i - 1/M sum_j d_j - xhat_i 1/M sum_j d_j xhat_j) / sqrt(var + eps)

    Args:
        normalized_shape: the lengths of the last axes, over which to normalise, or the length of the last axis alone.
        eps: added to the variance, so that the division stays finite.
        affine: whether there are gamma and beta; without them, gamma = 1 and beta = 0.
        bias: whether there is a beta.
        dtype: of the parameters and the input; without parameters the input may have any floating-point dtype.

    Shapes: input (N, ..., \*normalized_shape), output likewise; gamma and beta normalized_shape.

    Raises:
        ValueError: a length or eps is not positive.

    Source: Ba, Kiros, Hinton, "Layer normalization", 2016, section 3.

    >>> LayerNorm(2)(asarray([[1.0, 3.0], [2.0, 8.0]])).round(3)
    array([[-1.,  1.],
           [-1.,  1.]], dtype=float32)
    """

    separable = True
    equation = "layer_norm"

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        affine: bool = True,
        *,
        bias: bool = True,
        dtype: str = "float32",
    ) -> None:
        shape = tuple(normalized_shape) if isinstance(normalized_shape, Sequence) else (normalized_shape,)
        for size in shape or (0,):
            positive(normalized_shape=size)
        if not real(eps) > 0:
            raise ValueError(f"LayerNorm: expected eps > 0, got {eps}")
        first = (("gamma", np.ones), ("beta", np.zeros))[: affine + (affine and bias)]
        super().__init__(**{key: fill(shape, dtype) for key, fill in first})
        self.normalized_shape, self.eps, self.affine, self.bias = shape, float(eps), affine, bias

    @property
    def keeps_steps(self) -> bool:  # type: ignore[override]
        """Whether each step is normalised by itself: among several axes, one may be that of the steps."""
        return len(self.normalized_shape) == 1

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check(x, "...", *self.normalized_shape)
        y, backward = layer_norm(x, self.params, len(self.normalized_shape), self.eps, needs_dx)
        return y, lambda dy: backward(dy, self.grads)
