"""Batch normalisation: each feature, or channel, brought to mean 0 and variance 1 over the batch."""

import numpy as np

from ..backend import Array, xp
from .base import Backward, Layer, brief, inferring, positive
from .parameters import Parameters


class _BatchNorm(Layer):
    """What the two share: all but the input's shape.

    Every sum goes over the axes as they lie in memory: with the batch last it runs along contiguous stretches, and the
    elementwise operations keep the input's order for the output.
    """

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, *, dtype: str = "float32") -> None:
        positive(num_features=num_features)
        if not eps > 0 or not 0 <= momentum <= 1:
            raise ValueError(f"{type(self).__name__}: expected eps > 0, 0 <= momentum <= 1, got {eps} and {momentum}")
        super().__init__(gamma=np.ones(num_features, dtype), beta=np.zeros(num_features, dtype))
        self.buffers = Parameters(
            running_mean=xp.zeros(num_features, dtype=dtype), running_var=xp.ones(num_features, dtype=dtype)
        )
        self.num_features, self.eps, self.momentum = num_features, float(eps), float(momentum)

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check_input(x)
        if inferring():
            return self._infer(x, needs_dx)
        M = x.size // self.num_features
        if M == 1:
            raise ValueError(
                f"{self}: expected two values per channel at the least in training, got shape {x.shape}: another "
                "batch_size may leave no batch of one sample"
            )
        axes = (0, *range(2, x.ndim))
        mean = x.mean(axes, keepdims=True)
        xhat = xp.subtract(x, mean, out=xp.empty_like(x))  # in x's order: a result of CuPy's own has rows of samples
        var = (xhat * xhat).mean(axes, keepdims=True)  # of the differences, since mean(x^2) - mean(x)^2 cancels
        invstd = 1 / xp.sqrt(var + self.eps)
        xhat *= invstd
        self._track(running_mean=mean, running_var=var * (M / (M - 1)))
        gamma, beta = self._per_channel(x, self.params["gamma"], self.params["beta"])
        y = xp.multiply(gamma, xhat, out=xp.empty_like(x))
        y += beta

        def backward(dy: Array) -> Array | None:
            dgamma = (dy * xhat).sum(axes, keepdims=True)
            dbeta = dy.sum(axes, keepdims=True)
            self.grads["gamma"] += dgamma.ravel()
            self.grads["beta"] += dbeta.ravel()
            if not needs_dx:
                return None
            dx: Array = xp.multiply(xhat, dgamma / -M, out=xp.empty_like(xhat))
            dx += dy
            dx -= dbeta / M
            dx *= gamma * invstd
            return dx

        return y, backward

    def _infer(self, x: Array, needs_dx: bool) -> tuple[Array, Backward]:
        """With the running estimates, which do not depend on x."""
        mean = self.buffers["running_mean"].copy()  # which another pass may change before backward
        invstd = 1 / xp.sqrt(self.buffers["running_var"] + self.eps)
        gamma, beta, mean, invstd = self._per_channel(x, *self.params.values(), mean, invstd)
        y = xp.subtract(x, mean, out=xp.empty_like(x))
        y *= gamma * invstd
        y += beta

        def backward(dy: Array) -> Array | None:
            axes = (0, *range(2, x.ndim))
            self.grads["gamma"] += (dy * (x - mean) * invstd).sum(axes)
            self.grads["beta"] += dy.sum(axes)
            return xp.multiply(dy, gamma * invstd, out=xp.empty_like(x)) if needs_dx else None

        return y, backward

    def _check_input(self, x: Array) -> None:
        raise NotImplementedError

    def _per_channel(self, x: Array, *values: Array) -> list[Array]:
        """Each (C,) as (1, C, 1, ...), which meets x along its axis 1."""
        return [value.reshape(1, -1, *[1] * (x.ndim - 2)) for value in values]

    def _track(self, **batch: Array) -> None:
        """running = (1 - momentum) running + momentum batch."""
        for key, value in batch.items():
            self.buffers[key] *= 1 - self.momentum
            self.buffers[key] += self.momentum * value.ravel()

    def _arguments(self) -> str:
        options = brief({"eps": 1e-5, "momentum": 0.1}, eps=self.eps, momentum=self.momentum)
        return f"{self.num_features}" + (options and f", {options}")


class BatchNorm1D(_BatchNorm):
    r"""Normalise each feature over the batch.

    Forward in training, over the M values x_i of one feature (the batch, and the positions if there are any)::

        mean   = 1/M sum_i x_i                      var = 1/M sum_i (x_i - mean)^2
        xhat_i = (x_i - mean) / sqrt(var + eps)
        y_i    = gamma xhat_i + beta

    Backward. mean and var depend on every x_i, so x_i reaches E by three ways, which sum to::

        dE/dbeta   = sum_i dE/dy_i
        dE/dgamma  = sum_i dE/dy_i xhat_i
        dE/dx_i    = gamma / sqrt(var + eps) (dE/dy_i - 1/M dE/dbeta - xhat_i 1/M dE/dgamma)

    ``forward`` also updates the running estimates, which inference uses in place of mean and var::

        running_mean = (1 - momentum) running_mean + momentum mean
        running_var  = (1 - momentum) running_var  + momentum M/(M-1) var

    So a training pass changes something in this layer: its ``buffers``, which are saved with the parameters and which
    no optimiser sees. A bias in the layer before has no effect; beta takes its place.

    Args:
        num_features: F.
        eps: keeps the division finite.
        momentum: weight of the newest batch in the running estimates.
        dtype: of the parameters, the buffers and the input that forward accepts.

    Shapes:
        input (N, F) or (N, F, L), output likewise; gamma, beta, running_mean, running_var (F,). In memory the output
        has the input's order.

    Raises:
        ValueError: in training, an input with a single value per feature: its variance is not defined.

    Source: Ioffe, Szegedy, "Batch normalization", 2015, algorithms 1 and 2; the momentum's meaning is PyTorch's.
    """

    def _check_input(self, x: Array) -> None:
        positions = ("L",) if getattr(x, "ndim", 2) == 3 else ()
        self._check(x, "N", self.num_features, *positions)


class BatchNorm2D(_BatchNorm):
    """Normalise each channel over the batch and the image: :class:`BatchNorm1D` with M = N H W values a channel.

    Args:
        num_features: C.
        eps, momentum, dtype: as for :class:`BatchNorm1D`.

    Shapes:
        input (N, C, H, W), output likewise; gamma, beta, running_mean, running_var (C,). In memory the output has
        the input's order.

    Raises:
        ValueError: in training, an input with a single value per channel.

    Source: Ioffe, Szegedy, "Batch normalization", 2015, section 3.2.
    """

    def _check_input(self, x: Array) -> None:
        self._check(x, "N", self.num_features, "H", "W")
