"""The gated recurrent unit."""

from collections.abc import Callable
from typing import ClassVar

import numpy as np

from ..backend import Array, Params, accelerated, xp
from .activations import logistic
from .recurrent import Recurrence, Recurrent, through_time


@accelerated
def gru(
    x: Array,
    state: tuple[Array, ...],
    params: Params,
    lengths: np.ndarray | None,
    return_sequences: bool,
    needs_dx: bool = True,
) -> Recurrence:
    """:class:`GRU`'s output, last state and backward, as :meth:`Recurrent.forward_from` has them."""
    return through_time(gru_step, x, state, params, lengths, return_sequences, needs_dx)


def gru_step(
    x: Array, state: tuple[Array, ...], params: Params
) -> tuple[tuple[Array, ...], Callable[..., tuple[Array, tuple[Array, ...]]]]:
    """h_t = (1 - z) * n + z * h_{t-1}, a sample a row."""
    (h,), (W_x, W_h, b, b_h) = state, (params[key] for key in ("W_x", "W_h", "b", "b_h"))
    a_r, a_z, a_n = (x @ W_x.T + b).reshape(len(x), 3, -1).swapaxes(0, 1)
    u_r, u_z, u_n = (h @ W_h.T).reshape(len(x), 3, -1).swapaxes(0, 1)
    r, z = logistic(a_r + u_r), logistic(a_z + u_z)
    m = u_n + b_h
    n = xp.tanh(a_n + r * m)
    h_t = (1 - z) * n + z * h

    def backward(dstate: tuple[Array, ...], grads: Params) -> tuple[Array, tuple[Array, ...]]:
        (dh_t,) = dstate  # with all that comes by way of later steps
        dn = dh_t * (1 - z) * (1 - n * n)
        dr, dz = dn * m * r * (1 - r), dh_t * (h - n) * z * (1 - z)
        eps = xp.concatenate([dr, dz, dn], axis=1)  # dE/d(W_x x_t)
        delta = xp.concatenate([dr, dz, dn * r], axis=1)  # dE/d(W_h h_{t-1})
        grads["W_x"] += eps.T @ x  # dE/dW_x = sum_t eps_t x_t^T
        grads["W_h"] += delta.T @ h  # dE/dW_h = sum_t delta_t h_{t-1}^T
        grads["b"] += eps.sum(0)  # dE/db = sum_t eps_t
        grads["b_h"] += (dn * r).sum(0)  # dE/db_h = sum_t delta_t's n
        return eps @ W_x, (dh_t * z + delta @ W_h,)  # W_x^T eps_t, dh_t * z + W_h^T delta_t

    return (h_t,), backward


class GRU(Recurrent):
    r"""Gated recurrent unit: h_t goes from h_{t-1} towards a candidate n, as far as the gate z lets it.

    The gates lie one below the other, in PyTorch's order r, z, n; s is the sigmoid, * elementwise. The reset gate acts
    on the product (linear_before_reset in ONNX), which needs the bias b_h inside it::

        r   = s(W_xr x_t + W_hr h_{t-1} + b_r)
        z   = s(W_xz x_t + W_hz h_{t-1} + b_z)
        m   = W_hn h_{t-1} + b_h
        n   = tanh(W_xn x_t + b_n + r * m)
        h_t = (1 - z) * n + z * h_{t-1}

    Backward runs through time; dh_t is the whole gradient for h_t::

        dn_t     = dh_t * (1-z) * (1-n^2)
        delta_t  = (dn_t * m * r (1-r), dh_t * (h_{t-1} - n) * z (1-z), dn_t * r)     = dE/d(W_h h_{t-1})
        eps_t    = (delta_t's r and z, dn_t)                                          = dE/d(W_x x_t)
        dh_{t-1} = dE/dh_{t-1} + dh_t * z + W_h^T delta_t
        dE/dW_x  = sum_t eps_t x_t^T
        dE/dW_h  = sum_t delta_t h_{t-1}^T
        dE/db    = sum_t eps_t;   dE/db_h = sum_t delta_t's n
        dE/dx_t  = W_x^T eps_t

    Args:
        input_size: I, features of x_t.
        hidden_size: H, features of h_t.
        return_sequences: the output is every h_t, (N, T, H); by default only the last, (N, H).
        rng: seed or generator of the initial weights (W_x Glorot uniform, W_h orthogonal for each gate; b and b_h start
            at 0).
        dtype: of the parameters and of the input that forward accepts.

    Shapes:
        input (N, T, I), output (N, T, H) or (N, H), state h (N, H); W_x (3H, I), W_h (3H, H), b (3H,), b_h (H,).

    Source: Cho, van Merriënboer, Gulcehre, Bahdanau, Bougares, Schwenk, Bengio, "Learning phrase representations using
    RNN encoder-decoder for statistical machine translation", 2014; gates and reset as in PyTorch and cuDNN.
    """

    equation = "gru"
    recurrence = staticmethod(gru)
    biases: ClassVar[dict[str, int]] = {"b": 3, "b_h": 1}
