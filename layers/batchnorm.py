"""Batch normalisation: each feature or channel is scaled to mean 0 and variance 1 over the batch."""

from collections.abc import Callable

import numpy as np

from ..backend import Array, Params, accelerated, xp
from .base import Backward, Layer
from .inference import inferring, rehearsing
from .parameters import Parameters
from .settings import positive, real
from .whole import identity, share_of_batch


@accelerated
def batch_norm(
    x: Array, params: Params, eps: float, M: int, needs_dx: bool = True, total: Callable[[Array], Array] = identity
) -> tuple[Array, Array, Array, Callable[[Array, Params], Array | None]]:
    """y, each channel's mean and variance over the batch, and ``backward(dy, grads) -> dx``.

    If x is one process's share of the batch, ``total`` adds up the sums of all shares, which together hold M values per
    channel.
    """
    axes = (0, *range(2, x.ndim))
    gamma, beta = (params[key].reshape(1, -1, *[1] * (x.ndim - 2)) for key in ("gamma", "beta"))
    mean = total(x.sum(axes, keepdims=True)) / M
    var = total(xp.square(x - mean).sum(axes, keepdims=True)) / M  # not mean(x^2) - mean(x)^2, which cancels
    invstd = 1 / xp.sqrt(var + eps)
    xhat = (x - mean) * invstd

    def backward(dy: Array, grads: Params) -> Array | None:
        dgamma, dbeta = (dy * xhat).sum(axes, keepdims=True), dy.sum(axes, keepdims=True)
        grads["gamma"] += dgamma.ravel()  # dE/dgamma = sum_i dE/dy_i xhat_i
        grads["beta"] += dbeta.ravel()  # dE/dbeta = sum_i dE/dy_i
        if not needs_dx:
            return None
        dgamma, dbeta = total(xp.stack([dgamma, dbeta]))
        return (dy - xhat * (dgamma / M) - dbeta / M) * (gamma * invstd)  # through y, the variance and the mean

    return gamma * xhat + beta, mean.ravel(), var.ravel(), backward


@accelerated
def fixed_norm(
    x: Array, params: Params, mean: Array, var: Array, eps: float, needs_dx: bool = True
) -> tuple[Array, Callable[[Array, Params], Array | None]]:
    """Normalisation by a given mean and variance, which do not depend on x: for inference."""
    axes, shape = (0, *range(2, x.ndim)), (1, -1, *[1] * (x.ndim - 2))
    gamma, beta = params["gamma"].reshape(shape), params["beta"].reshape(shape)
    mean, invstd = mean.reshape(shape), 1 / xp.sqrt(var.reshape(shape) + eps)

    def backward(dy: Array, grads: Params) -> Array | None:
        grads["gamma"] += (dy * (x - mean) * invstd).sum(axes)
        grads["beta"] += dy.sum(axes)
        return dy * (gamma * invstd) if needs_dx else None

    return (x - mean) * (gamma * invstd) + beta, backward


class _BatchNorm(Layer):
    """The base of BatchNorm1D and BatchNorm2D, which differ only in the shape of the input."""

    equation = "batch_norm"

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, *, dtype: str = "float32") -> None:
        positive(num_features=num_features)
        if not 0 < real(eps) < np.inf or not 0 <= real(momentum) <= 1:
            raise ValueError(f"{type(self).__name__}: expected eps > 0, 0 <= momentum <= 1, got {eps} and {momentum}")
        super().__init__(gamma=np.ones(num_features, dtype), beta=np.zeros(num_features, dtype))
        self.buffers = Parameters(
            running_mean=xp.zeros(num_features, dtype=dtype), running_var=xp.ones(num_features, dtype=dtype)
        )
        self.num_features, self.eps, self.momentum = num_features, float(eps), float(momentum)

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check_input(x)
        M, share = x.size // self.num_features, share_of_batch.get()
        apart = share is not None and share.allreduce is None
        if share is not None and not apart:
            M = share.whole(M)
        if M == 1 and not apart and self.trainable and (rehearsing() or not inferring()):
            raise ValueError(
                f"{self}: expected at least two values per channel in training, got shape {x.shape}: "
                "avoid a batch of one sample by drop_last=True or another batch_size"
            )
        if inferring() or not self.trainable or M == 1:  # M is 1 where other processes have the rest of the batch
            mean, var = self.buffers.copy().values()  # a training pass may change the buffers before backward
            y, backward = fixed_norm(x, self.params, mean, var, self.eps, needs_dx)
            return y, lambda dy: backward(dy, self.grads)
        total = identity if share is None else share.total
        y, mean, var, backward = batch_norm(x, self.params, self.eps, M, needs_dx, total)
        self._track(running_mean=mean, running_var=var * (M / (M - 1)))
        if share is not None and share.empty:  # this process's sample is a dummy, which the mean leaves out
            return y, lambda dy: xp.zeros_like(x) if needs_dx and backward(dy, self.grads) is not None else None
        return y, lambda dy: backward(dy, self.grads)

    def _check_input(self, x: Array) -> None:
        raise NotImplementedError

    def _track(self, **batch: Array) -> None:
        """running = (1 - momentum) running + momentum batch."""
        for key, value in batch.items():
            self.buffers[key] *= 1 - self.momentum
            self.buffers[key] += self.momentum * value


class BatchNorm1D(_BatchNorm):
    r"""Normalise each feature over the batch.

    Forward in training, over the M values x_i of one feature, in all samples and (if there are any) positions::

        mean   = 1/M sum_i x_i                      var = 1/M sum_i (x_i - mean)^2
        xhat_i = (x_i - mean) / sqrt(var + eps)
        y_i    = gamma xhat_i + beta

    Backward; E depends on x_i through xhat_i, mean and var, and dE/dx_i sums over the three::

        dE/dbeta   = sum_i dE/dy_i
        dE/dgamma  = sum_i dE/dy_i xhat_i
        dE/dx_i    = gamma / sqrt(var + eps) (dE/dy_i - 1/M dE/dbeta - xhat_i 1/M dE/dgamma)

    Inference uses running estimates instead of mean and var. Each training pass updates them::

        running_mean = (1 - momentum) running_mean + momentum mean
        running_var  = (1 - momentum) running_var  + momentum M/(M-1) var

    They are ``buffers``: saved with the parameters, but not trained. Since the mean is subtracted, a bias in the
    preceding layer has no effect; beta replaces it. With ``trainable = False`` training also uses the running estimates
    and does not update them, as in Keras.

    Args:
        num_features: F.
        eps: added to the variance, so that the division stays finite.
        momentum: weight of the newest batch in the running estimates, as in PyTorch.
        dtype: of the parameters, the buffers and the input.

    Shapes: input (N, F) or (N, F, L), output likewise; gamma, beta, running_mean, running_var (F,).

    Raises:
        ValueError: a setting is out of its range; or, in training, the input has only one value per feature, so that
            the variance is not defined.

    Source: Ioffe, Szegedy, "Batch normalization", 2015, algorithms 1 and 2.

    >>> y, backward = BatchNorm1D(1).forward(asarray([[1.0], [3.0]]))
    >>> y.ravel().round(3)
    array([-1., 1.], dtype=float32)
    """

    def _check_input(self, x: Array) -> None:
        positions = ("L",) if getattr(x, "ndim", 2) == 3 else ()
        self._check(x, "N", self.num_features, *positions)


class BatchNorm2D(_BatchNorm):
    """Normalise each channel over the batch and the image: :class:`BatchNorm1D` with M = N H W values per channel.

    Arguments (num_features is C), equations and errors as for :class:`BatchNorm1D`.

    Shapes: input (N, C, H, W), output likewise; gamma, beta, running_mean, running_var (C,).

    Source: Ioffe, Szegedy, "Batch normalization", 2015, section 3.2.

    >>> BatchNorm2D(3)(asarray(np.ones((2, 3, 4, 4)))).shape
    (2, 3, 4, 4)
    """

    def _check_input(self, x: Array) -> None:
        self._check(x, "N", self.num_features, "H", "W")
