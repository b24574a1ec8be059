"""Long short-term memory."""

from typing import Any, ClassVar

from ..backend import Array, Params, Rng, xp
from .activations import logistic
from .recurrent import Recurrent, Stepped


def lstm_step(x: Array, state: tuple[Array, ...], params: Params) -> Stepped:
    """c_t = f * c_{t-1} + i * g, h_t = o * tanh(c_t), one sample per row."""
    (h, c), (W_x, W_h, b) = state, (params[key] for key in ("W_x", "W_h", "b"))
    a_i, a_f, a_g, a_o = (x @ W_x.T + h @ W_h.T + b).reshape(len(x), 4, -1).swapaxes(0, 1)
    i, f, g, o = logistic(a_i), logistic(a_f), xp.tanh(a_g), logistic(a_o)
    c_t = f * c + i * g
    tanh_c = xp.tanh(c_t)
    h_t = o * tanh_c

    def backward(dstate: tuple[Array, ...], grads: Params) -> tuple[Array, tuple[Array, ...]]:
        dh_t, dc_t = dstate  # the total gradients, later steps included
        dc_t = dc_t + dh_t * o * (1 - tanh_c * tanh_c)
        di, df, dg, do = dc_t * g, dc_t * c, dc_t * i, dh_t * tanh_c
        delta = xp.concatenate([di * i * (1 - i), df * f * (1 - f), dg * (1 - g * g), do * o * (1 - o)], axis=1)
        grads["W_x"] += delta.T @ x  # dE/dW_x = sum_t delta_t x_t^T
        grads["W_h"] += delta.T @ h  # dE/dW_h = sum_t delta_t h_{t-1}^T
        grads["b"] += delta.sum(0)  # dE/db = sum_t delta_t
        return delta @ W_x, (delta @ W_h, dc_t * f)  # W_x^T delta_t, (W_h^T delta_t, f_t * dc_t)

    return (h_t, c_t), backward


class LSTM(Recurrent):
    r"""Long short-term memory: gates decide what the cell c_t takes in, what it keeps, and what it outputs as h_t.

    The rows of W_x, W_h and b hold the four gates in PyTorch's order; s is the sigmoid, * is elementwise::

        a_t  = W_x x_t + W_h h_{t-1} + b = (a_i, a_f, a_g, a_o)
        i, f, g, o = s(a_i), s(a_f), tanh(a_g), s(a_o)
        c_t  = f * c_{t-1} + i * g
        h_t  = o * tanh(c_t)

    Backward goes through time in reverse; dh_t and dc_t are the total gradients, dE/dh_t the part through y_t alone::

        dh_t     = dE/dh_t + W_h^T delta_{t+1}
        dc_t     = dh_t * o * (1 - tanh(c_t)^2) + f_{t+1} * dc_{t+1}
        delta_t  = (dc_t * g * i (1-i), dc_t * c_{t-1} * f (1-f), dc_t * i * (1-g^2), dh_t * tanh(c_t) * o (1-o))
        dE/dW_x  = sum_t delta_t x_t^T          dE/dW_h = sum_t delta_t h_{t-1}^T        dE/db = sum_t delta_t
        dE/dx_t  = W_x^T delta_t                dE/dh_0 = W_h^T delta_1                  dE/dc_0 = f_1 * dc_1

    Arguments as for :class:`RNN`. W_h is initially orthogonal for each gate, and b is 1 for the forget gate, so that
    the cell keeps its content until it learns to forget.

    Shapes: input (N, T, I), output (N, T, H) or (N, H), state (h, c), (N, H) each; W_x (4H, I), W_h (4H, H), b (4H,),
    h_0 and c_0 (H,).

    Source: Hochreiter, Schmidhuber, "Long short-term memory", 1997; the forget gate is from Gers, Schmidhuber, Cummins,
    "Learning to forget", 2000, its bias of 1 from Jozefowicz, Zaremba, Sutskever, "An empirical exploration of
    recurrent network architectures", 2015.

    >>> y, (h, c), backward = LSTM(8, 16, rng=0).forward_from(asarray(np.ones((2, 5, 8))), state=None)
    >>> y.shape, c.shape
    ((2, 16), (2, 16))
    """

    step = staticmethod(lstm_step)
    biases: ClassVar[dict[str, int]] = {"b": 4}
    state_names: ClassVar[tuple[str, ...]] = ("h", "c")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        return_sequences: bool = False,
        *,
        bias: bool = True,
        return_state: bool = False,
        initial_state: str | tuple[str, ...] = "zeros",
        rng: Rng = None,
        dtype: str = "float32",
    ) -> None:
        state: dict[str, Any] = {"return_state": return_state, "initial_state": initial_state}
        super().__init__(input_size, hidden_size, return_sequences, bias=bias, rng=rng, dtype=dtype, **state)
        if bias:
            self.params["b"][hidden_size : 2 * hidden_size] = 1
