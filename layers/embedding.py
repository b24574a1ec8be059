"""A vector for each symbol: the input layer of the character model."""

from collections.abc import Callable

import numpy as np

from ..backend import Array, Params, Rng, accelerated, check, xp
from .base import Backward, Layer
from .settings import positive


@accelerated
def embedding(i: Array, params: Params) -> tuple[Array, Callable[[Array, Params], None]]:
    """:class:`Embedding`'s output, and ``backward(dy, grads)``."""
    W = params["W"]

    def backward(dy: Array, grads: Params) -> None:
        onehot = (i.reshape(-1, 1) == xp.arange(len(W))).astype(dy.dtype)
        grads["W"] += onehot.T @ dy.reshape(-1, W.shape[1])  # dE/dW = onehot^T dE/dy

    return W[i], backward


class Embedding(Layer):
    """Look up row W[i] for each index i: the product of a one-hot row with W::

        y[n] = W[i[n]]
        dE/dW = onehot^T dE/dy,    onehot[n, k] = 1 where i[n] = k, else 0

    Args:
        num_embeddings: V, the number of symbols.
        embedding_dim: D, the length of each vector.
        rng: seed or generator of the initial weights (standard normal).
        dtype: of W.

    Shapes: input (N, ...) of integers in [0, V), output (N, ..., D); W (V, D). Integers have no gradient, so backward
    returns None.

    Raises:
        ValueError: an index is out of range (on a device, at the next synchronisation).

    >>> Embedding(26, 4, rng=0)(asarray([[0, 25, 3]])).shape
    (1, 3, 4)
    """

    separable = True
    keeps_steps = True
    equation = "embedding"

    def __init__(self, num_embeddings: int, embedding_dim: int, *, rng: Rng = None, dtype: str = "float32") -> None:
        positive(num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        super().__init__(W=np.random.default_rng(rng).standard_normal((num_embeddings, embedding_dim)).astype(dtype))
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check(x, "...", dtype="integer")
        check(
            (x.min() >= 0) & (x.max() < self.num_embeddings),
            f"{self}: an index lies outside [0, {self.num_embeddings})",
        )
        y, backward = embedding(x, self.params)
        return y, lambda dy: backward(dy, self.grads)
