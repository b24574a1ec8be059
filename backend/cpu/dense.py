"""The fully connected layer, with sums in place."""

from collections.abc import Callable

import numpy as np

from ..select import Array, Params
from .products import add_product, matmul


def dense(a: Array, params: Params, needs_dx: bool = True) -> tuple[Array, Callable[[Array, Params], Array | None]]:
    """The bias is added to the product in place, and BLAS itself adds dE/dW to the gradient."""
    W, b = params["W"], params["b"]
    z = matmul(W, a)
    z += b[:, None]

    def backward(delta: Array, grads: Params) -> Array | None:
        db = grads["b"]
        db += np.add.reduce(delta, 1)
        add_product(grads, "W", delta, a.T)
        return matmul(W.T, delta) if needs_dx else None

    return z, backward
