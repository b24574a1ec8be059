"""The gradient of an embedding by slices of its one-hot matrix: deterministic, unlike atomic additions."""

from collections.abc import Callable

from ..select import Array, Params, xp
from .products import accumulate

_ONE_HOT = 1 << 24  # elements of a one-hot matrix at a time


def embedding(i: Array, params: Params) -> tuple[Array, Callable[[Array, Params], None]]:
    """Every symbol has a column, since to find those that occur the host would have to wait for the device."""
    indices = i.ravel()

    def backward(dy: Array, grads: Params) -> None:
        dW, rows = grads["W"], dy.reshape(-1, dy.shape[-1])
        step = max(1, _ONE_HOT // len(indices))
        for start in range(0, len(dW), step):
            symbols = dW[start : start + step]
            onehot = indices[:, None] == xp.arange(start, start + len(symbols))
            accumulate(symbols, onehot.astype(rows.dtype).T, rows)

    return params["W"][i], backward
