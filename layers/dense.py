"""The seed's fully connected layer (section "DNN")."""

from collections.abc import Callable

from ..backend import Array, Rng, matmul
from .activations import Activated, Activation, linear
from .base import Backward, Layer, positive
from .init import affine


class Dense(Layer):
    r"""Fully connected layer, z = W a + b.

    Forward and backward, for the batch as columns (a is the input, delta = dE/dz)::

        z      = W a + b
        dE/dW  = sum over samples of  delta a^T
        dE/db  = sum over samples of  delta
        dE/da  = W^T delta

    Args:
        in_features: n_{l-1}, the length of the last axis of the input.
        out_features: n_l, the length of the last axis of the output.
        rng: seed or generator of the initial weights (He uniform; b uniform in ±1/sqrt(in_features)).
        dtype: of the parameters and of the input that forward accepts.

    Shapes:
        input (..., in_features), output (..., out_features); W (out_features, in_features), b (out_features,).

    Source: the seed, "BP四个核心公式" and "两个辅助公式".
    """

    separable = True

    def __init__(self, in_features: int, out_features: int, *, rng: Rng = None, dtype: str = "float32") -> None:
        positive(in_features=in_features, out_features=out_features)
        super().__init__(**affine(rng, (out_features, in_features), in_features, dtype))
        self.in_features, self.out_features = in_features, out_features

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        return self.activated(x, needs_dx, linear)

    def activated(self, x: Array, needs_dx: bool, f: Callable[[Array, Array], Activated]) -> tuple[Array, Backward]:
        """As :meth:`forward`, and an activation on top in the same passes: f(W a + b)."""
        self._check(x, "...", self.in_features)
        W, b = self.params["W"], self.params["b"]
        a = x.reshape(-1, self.in_features).T  # one sample a column
        y, f_backward = f(matmul(W, a), b)

        def backward(dy: Array) -> Array | None:
            delta = f_backward(dy.reshape(-1, self.out_features).T, self.grads["b"])  # adds dE/db
            self.grads.add_product("W", delta, a.T)
            return matmul(W.T, delta).T.reshape(x.shape) if needs_dx else None

        return y.T.reshape(*x.shape[:-1], self.out_features), backward

    def _arguments(self) -> str:
        return f"{self.in_features}, {self.out_features}"


class ActivatedDense(Layer):
    """A :class:`Dense` and the activation behind it as one layer, which reads and writes each number once."""

    separable = True

    def __init__(self, dense: Dense, activation: Activation) -> None:
        self.dense, self.activation, self.params = dense, activation, dense.params

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        return self.dense.activated(x, needs_dx, self.activation.activate)
