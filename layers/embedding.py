"""A vector for each symbol: the input of the character model."""

import numpy as np

from ..backend import Array, Rng, add_rows_at, check
from .base import Backward, Layer, positive


class Embedding(Layer):
    """Row W[i] for each index i: the product of a one-hot row with W, without the multiplications by 0.

    ::

        y[n] = W[i[n]]
        dE/dW = onehot^T dE/dy,    onehot[n, k] = 1 where i[n] = k, else 0

    Args:
        num_embeddings: V, the number of symbols.
        embedding_dim: D, the length of each vector.
        rng: seed or generator of the initial weights (standard normal).
        dtype: of the parameters.

    Shapes:
        input (N, ...) of integers in [0, V), output (N, ..., D); W (V, D). The input has no gradient: backward
        returns None.

    Raises:
        ValueError: an index is out of range (on a device, at the next synchronisation).
    """

    separable = True

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

        def backward(dy: Array) -> None:
            add_rows_at(self.grads["W"], x.ravel(), dy.reshape(-1, self.embedding_dim))

        return self.params["W"][x], backward

    def _arguments(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}"
