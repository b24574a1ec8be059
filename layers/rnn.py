"""The simple recurrent layer (Elman)."""

from collections.abc import Callable

import numpy as np

from ..backend import Array, Params, accelerated, xp
from .recurrent import Recurrence, Recurrent, through_time


@accelerated
def elman(
    x: Array,
    state: tuple[Array, ...],
    params: Params,
    lengths: np.ndarray | None,
    return_sequences: bool,
    needs_dx: bool = True,
) -> Recurrence:
    """:class:`RNN`'s output, last state and backward, as :meth:`Recurrent.forward_from` has them."""
    return through_time(elman_step, x, state, params, lengths, return_sequences, needs_dx)


def elman_step(
    x: Array, state: tuple[Array, ...], params: Params
) -> tuple[tuple[Array, ...], Callable[..., tuple[Array, tuple[Array, ...]]]]:
    """h_t = tanh(W_x x_t + W_h h_{t-1} + b), a sample a row."""
    (h,), (W_x, W_h, b) = state, (params[key] for key in ("W_x", "W_h", "b"))
    h_t = xp.tanh(x @ W_x.T + h @ W_h.T + b)

    def backward(dstate: tuple[Array, ...], grads: Params) -> tuple[Array, tuple[Array, ...]]:
        (dh_t,) = dstate  # dE/dh_t, with all that comes by way of later steps
        delta = dh_t * (1 - h_t * h_t)
        grads["W_x"] += delta.T @ x  # dE/dW_x = sum_t delta_t x_t^T
        grads["W_h"] += delta.T @ h  # dE/dW_h = sum_t delta_t h_{t-1}^T
        grads["b"] += delta.sum(0)  # dE/db = sum_t delta_t
        return delta @ W_x, (delta @ W_h,)  # W_x^T delta_t, W_h^T delta_t

    return (h_t,), backward


class RNN(Recurrent):
    r"""Elman's recurrent layer, h_t = tanh(W_x x_t + W_h h_{t-1} + b).

    Backward runs through time::

        delta_t    = (dE/dh_t + W_h^T delta_{t+1}) * (1 - h_t^2)
        dE/dW_x    = sum_t delta_t x_t^T
        dE/dW_h    = sum_t delta_t h_{t-1}^T
        dE/db      = sum_t delta_t
        dE/dx_t    = W_x^T delta_t
        dE/dh_0    = W_h^T delta_1

    Args:
        input_size: I, features of x_t.
        hidden_size: H, features of h_t.
        return_sequences: the output is every h_t, (N, T, H); by default only the last, (N, H).
        rng: seed or generator of the initial weights (W_x Glorot uniform, W_h orthogonal; b starts at 0).
        dtype: of the parameters and of the input that forward accepts.

    Shapes:
        input (N, T, I), output (N, T, H) or (N, H), state h (N, H); W_x (H, I), W_h (H, H), b (H,).

    Source: Elman, "Finding structure in time", 1990; Werbos, "Backpropagation through time", 1990.
    """

    equation = "elman"
    recurrence = staticmethod(elman)
