"""The gradient of an embedding by sorted indices, without a one-hot matrix."""

from collections.abc import Callable

import numpy as np

from ..select import Array, Params


def embedding(i: Array, params: Params) -> tuple[Array, Callable[[Array, Params], None]]:
    """Sorting makes the rows of one index adjacent, in the order of the batch, so that reduceat sums them."""
    indices = i.ravel()

    def backward(dy: Array, grads: Params) -> None:
        order = np.argsort(indices, kind="stable")
        ordered = indices[order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        dW = grads["W"]
        dW[ordered[starts]] += np.add.reduceat(dy.reshape(-1, dy.shape[-1])[order], starts)

    return params["W"][i], backward
