"""The fully connected layer (document section "DNN")."""

from collections.abc import Callable
from typing import cast

from ..backend import Array, Params, Rng, accelerated
from .activations import Activated, Activation
from .base import Backward, Layer
from .init import Init, affine
from .parameters import with_biases
from .settings import positive


@accelerated
def dense(a: Array, params: Params, needs_dx: bool = True) -> tuple[Array, Callable[[Array, Params], Array | None]]:
    """z = W a + b for a batch of samples, each a column of a (features, N)."""
    W, b = params["W"], params["b"]
    z = W @ a + b[:, None]  # z = W a + b

    def backward(delta: Array, grads: Params) -> Array | None:  # delta = dE/dz
        grads["W"] += delta @ a.T  # dE/dW = delta a^T, summed over the samples
        grads["b"] += delta.sum(1)  # dE/db = delta, summed over the samples
        return W.T @ delta if needs_dx else None  # dE/da = W^T delta

    return z, backward


@accelerated
def dense_activated(
    a: Array, params: Params, f: Callable[..., Activated], constants: tuple[float, ...], needs_dx: bool = True
) -> tuple[Array, Callable[[Array, Params], Array | None]]:
    """f(W a + b): a fully connected layer, then an activation."""
    z, z_backward = dense(a, params, needs_dx)
    y, f_backward = f(z, *constants)
    return y, lambda dy, grads: z_backward(f_backward(dy), grads)


class Dense(Layer):
    r"""Fully connected layer, z = W a + b.

    Forward and backward, with one sample per column (a is the input, delta = dE/dz)::

        z      = W a + b
        dE/dW  = sum over samples of  delta a^T
        dE/db  = sum over samples of  delta
        dE/da  = W^T delta

    Args:
        in_features: n_{l-1}, the length of the last axis of the input.
        out_features: n_l, the length of the last axis of the output.
        bias: whether there is a b; without it, b = 0.
        init: the rule for the initial W, by name or as a function (:func:`initial`); b is uniform in
            ±1/sqrt(in_features).
        rng: seed or generator of the initial weights.
        dtype: of the parameters and the input.

    Shapes: input (..., in_features), output (..., out_features); W (out_features, in_features), b (out_features,).

    Raises:
        ValueError: a size is not a whole number of at least 1, or :func:`initial` refuses ``init``.
        TypeError: the dtype is not a floating-point one.

    Source: the source document, "BP四个核心公式" and "两个辅助公式".

    >>> layer = Dense(3, 2, rng=0)
    >>> layer(xp.ones((4, 3), dtype="float32")).shape
    (4, 2)
    """

    separable = True
    keeps_steps = True
    equation = "dense"

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = True,
        init: Init = "small_uniform",
        rng: Rng = None,
        dtype: str = "float32",
    ) -> None:
        positive(in_features=in_features, out_features=out_features)
        super().__init__(**affine(rng, init, (out_features, in_features), dtype, bias))
        self.in_features, self.out_features, self.bias = in_features, out_features, bias

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check(x, "...", self.in_features)
        params = self.params if self.bias else with_biases(self.params, b=self.out_features)
        z, backward = dense(x.reshape(-1, self.in_features).T, params, needs_dx)  # one sample per column
        return self.in_rows(x, z, backward)

    def in_rows(
        self, x: Array, z: Array, z_backward: Callable[[Array, Params], Array | None]
    ) -> tuple[Array, Backward]:
        """Turn the output and backward for one sample per column into those for samples laid out as in x."""

        def backward(dy: Array) -> Array | None:
            grads = self.grads if self.bias else with_biases(self.grads, b=self.out_features)
            da = z_backward(dy.reshape(-1, self.out_features).T, grads)
            return None if da is None else da.T.reshape(x.shape)

        return z.T.reshape(*x.shape[:-1], self.out_features), backward


class ActivatedDense(Layer):
    """A :class:`Dense` and the activation after it, joined for a form that computes both at once."""

    separable = True
    keeps_steps = True
    equation = "dense_activated"

    def __init__(self, dense: Dense, activation: Activation) -> None:
        self.dense, self.activation, self.params = dense, activation, dense.params

    @property
    def learns(self) -> bool:
        return self.dense.learns

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        dense, (f, constants) = self.dense, self.activation.function()
        dense._check(x, "...", dense.in_features)
        a, params = x.reshape(-1, dense.in_features).T, with_biases(self.params, b=dense.out_features)
        return dense.in_rows(x, *dense_activated(a, params, f, constants, needs_dx))

    def twin(self, grads: Callable[[Layer], Params]) -> Layer:
        return ActivatedDense(cast(Dense, self.dense.twin(grads)), self.activation)

    def __repr__(self) -> str:
        return f"{self.dense} + {self.activation}"
