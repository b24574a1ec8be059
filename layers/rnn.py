"""The simple recurrent layer (Elman)."""

from ..backend import Array, Params, xp
from .recurrent import Recurrent, Stepped


def elman_step(x: Array, state: tuple[Array, ...], params: Params) -> Stepped:
    """h_t = tanh(W_x x_t + W_h h_{t-1} + b), one sample per row."""
    (h,), (W_x, W_h, b) = state, (params[key] for key in ("W_x", "W_h", "b"))
    h_t = xp.tanh(x @ W_x.T + h @ W_h.T + b)

    def backward(dstate: tuple[Array, ...], grads: Params) -> tuple[Array, tuple[Array, ...]]:
        (dh_t,) = dstate  # the total dE/dh_t, later steps included
        delta = dh_t * (1 - h_t * h_t)
        grads["W_x"] += delta.T @ x  # dE/dW_x = sum_t delta_t x_t^T
        grads["W_h"] += delta.T @ h  # dE/dW_h = sum_t delta_t h_{t-1}^T
        grads["b"] += delta.sum(0)  # dE/db = sum_t delta_t
        return delta @ W_x, (delta @ W_h,)  # W_x^T delta_t, W_h^T delta_t

    return (h_t,), backward


class RNN(Recurrent):
    r"""Elman's recurrent layer, h_t = tanh(W_x x_t + W_h h_{t-1} + b).

    Backward goes through time in reverse; * is elementwise, and dE/dh_t is the part of the gradient through y_t alone::

        delta_t  = (dE/dh_t + W_h^T delta_{t+1}) * (1 - h_t^2)
        dE/dW_x  = sum_t delta_t x_t^T          dE/dW_h = sum_t delta_t h_{t-1}^T        dE/db = sum_t delta_t
        dE/dx_t  = W_x^T delta_t                dE/dh_0 = W_h^T delta_1, summed over the samples if h_0 is learned

    Args:
        input_size: I, features of x_t.
        hidden_size: H, features of h_t.
        return_sequences: True to output every h_t, (N, T, H); False for the last one only, (N, H).
        bias: whether there is a b; without it, b = 0.
        return_state: True to return the last state too: y is then (y, h_T), for an LSTM (y, h_T, c_T).
        initial_state: "zeros"; "learned" for a parameter h_0, the same for each sample; or "given" for a second input
            h_0 (N, H), such as an encoder's state: x is then (x, h_0). For an LSTM it applies to both h_0 and c_0,
            unless it is a tuple of one for each.
        rng: seed or generator of the initial weights (W_x Glorot uniform, W_h orthogonal; biases start at 0).
        dtype: of the parameters and the input.

    Shapes: input (N, T, I), output (N, T, H) or (N, H), state h (N, H); W_x (H, I), W_h (H, H), b and h_0 (H,).

    Raises:
        ValueError: a size is not a whole number of at least 1, or initial_state is none of these; or, in forward, a
            given state has another shape.

    Source: Elman, "Finding structure in time", 1990; Werbos, "Backpropagation through time", 1990.

    >>> RNN(8, 16, return_sequences=True, rng=0)(asarray(np.ones((2, 5, 8)))).shape
    (2, 5, 16)
    >>> y, h = RNN(8, 16, return_state=True, initial_state="learned", rng=0)(asarray(np.ones((2, 5, 8))))
    """

    step = staticmethod(elman_step)
