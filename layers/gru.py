"""The gated recurrent unit."""

from typing import ClassVar

from ..backend import Array, Params, xp
from .activations import logistic
from .recurrent import Recurrent, Stepped


def gru_step(x: Array, state: tuple[Array, ...], params: Params) -> Stepped:
    """h_t = (1 - z) * n + z * h_{t-1}, one sample per row."""
    (h,), (W_x, W_h, b, b_h) = state, (params[key] for key in ("W_x", "W_h", "b", "b_h"))
    a_r, a_z, a_n = (x @ W_x.T + b).reshape(len(x), 3, -1).swapaxes(0, 1)
    u_r, u_z, u_n = (h @ W_h.T).reshape(len(x), 3, -1).swapaxes(0, 1)
    r, z = logistic(a_r + u_r), logistic(a_z + u_z)
    m = u_n + b_h
    n = xp.tanh(a_n + r * m)
    h_t = (1 - z) * n + z * h

    def backward(dstate: tuple[Array, ...], grads: Params) -> tuple[Array, tuple[Array, ...]]:
        (dh_t,) = dstate  # the total gradient, later steps included
        dn = dh_t * (1 - z) * (1 - n * n)
        dr, dz = dn * m * r * (1 - r), dh_t * (h - n) * z * (1 - z)
        eps = xp.concatenate([dr, dz, dn], axis=1)  # dE/d(W_x x_t)
        delta = xp.concatenate([dr, dz, dn * r], axis=1)  # dE/d(W_h h_{t-1})
        grads["W_x"] += eps.T @ x  # dE/dW_x = sum_t eps_t x_t^T
        grads["W_h"] += delta.T @ h  # dE/dW_h = sum_t delta_t h_{t-1}^T
        grads["b"] += eps.sum(0)  # dE/db = sum_t eps_t
        grads["b_h"] += (dn * r).sum(0)  # dE/db_h = sum_t (delta_t's block n)
        return eps @ W_x, (dh_t * z + delta @ W_h,)  # W_x^T eps_t, dh_t * z + W_h^T delta_t

    return (h_t,), backward


class GRU(Recurrent):
    r"""Gated recurrent unit: h_t lies between h_{t-1} and a candidate n, as the gate z decides.

    The rows of W_x, W_h and b hold the blocks r, z, n in PyTorch's order; s is the sigmoid, * is elementwise. The reset
    gate r multiplies W_hn h_{t-1} + b_h (ONNX's linear_before_reset), so b_h is separate from b::

        r   = s(W_xr x_t + W_hr h_{t-1} + b_r)
        z   = s(W_xz x_t + W_hz h_{t-1} + b_z)
        m   = W_hn h_{t-1} + b_h
        n   = tanh(W_xn x_t + b_n + r * m)
        h_t = (1 - z) * n + z * h_{t-1}

    Backward goes through time in reverse; dh_t is the total gradient, dE/dh_t its part through y_t alone::

        dn_t     = dh_t * (1-z) * (1-n^2)
        delta_t  = (dn_t * m * r (1-r), dh_t * (h_{t-1} - n) * z (1-z), dn_t * r)     = dE/d(W_h h_{t-1})
        eps_t    = (blocks r and z of delta_t, dn_t)                                  = dE/d(W_x x_t)
        dh_{t-1} = dE/dh_{t-1} + dh_t * z + W_h^T delta_t          (dE/dh_0: without its first term)
        dE/dW_x  = sum_t eps_t x_t^T            dE/dW_h = sum_t delta_t h_{t-1}^T        dE/dx_t = W_x^T eps_t
        dE/db    = sum_t eps_t                  dE/db_h = sum_t (delta_t's block n)

    Arguments as for :class:`RNN`. W_h is initially orthogonal for each gate.

    Shapes: input (N, T, I), output (N, T, H) or (N, H), state h (N, H); W_x (3H, I), W_h (3H, H), b (3H,), b_h and h_0
    (H,).

    Source: Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical machine translation",
    2014; gates and reset as in PyTorch and cuDNN.

    >>> GRU(8, 16, rng=0)(asarray(np.ones((2, 5, 8))), lengths=[5, 3]).shape
    (2, 16)
    """

    step = staticmethod(gru_step)
    biases: ClassVar[dict[str, int]] = {"b": 3, "b_h": 1}
