"""The gradient of an embedding by slices of its one-hot matrix, whose sums have an order, as scattered ones do not."""

from collections.abc import Callable

from ..select import Array, Params, xp
from .products import accumulate

_ONE_HOT = 1 << 24  # elements of a one-hot matrix at a time


def embedding(i: Array, params: Params) -> tuple[Array, Callable[[Array, Params], None]]:
    """How many indices differ is not known without waiting for the device, so all symbols have a column."""
    indices = i.ravel()

    def backward(dy: Array, grads: Params) -> None:
        dW, rows = grads["W"], dy.reshape(-1, dy.shape[-1])
        step = max(1, _ONE_HOT // len(indices))
        for start in range(0, len(dW), step):
            symbols = dW[start : start + step]
            onehot = indices[:, None] == xp.arange(start, start + len(symbols))
            accumulate(symbols, onehot.astype(rows.dtype).T, rows)

    return params["W"][i], backward
