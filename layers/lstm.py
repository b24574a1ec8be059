"""Long short-term memory."""

from typing import ClassVar

from ..backend import Array, Rng, matmul, xp
from .recurrent import Recurrent, ScanBackward, Steps


class LSTM(Recurrent):
    r"""Long short-term memory: a cell c_t that gates open and close, and what it shows of it, h_t.

    The four gates lie one below the other, in PyTorch's order; s is the sigmoid, * elementwise::

        a_t  = W_x x_t + W_h h_{t-1} + b = (a_i, a_f, a_g, a_o)
        i, f, g, o = s(a_i), s(a_f), tanh(a_g), s(a_o)
        c_t  = f * c_{t-1} + i * g
        h_t  = o * tanh(c_t)

    Backward runs through time; dh_t and dc_t are the whole gradients for h_t and c_t, and only they need the loop::

        dh_t     = dE/dh_t + W_h^T delta_{t+1}
        dc_t     = dh_t * o * (1 - tanh(c_t)^2) + f_{t+1} * dc_{t+1}
        delta_t  = (dc_t * g * i (1-i), dc_t * c_{t-1} * f (1-f), dc_t * i * (1-g^2), dh_t * tanh(c_t) * o (1-o))
        dE/dW_x  = sum_t delta_t x_t^T
        dE/dW_h  = sum_t delta_t h_{t-1}^T
        dE/db    = sum_t delta_t
        dE/dx_t  = W_x^T delta_t
        dE/dh_0  = W_h^T delta_1;   dE/dc_0 = f_1 * dc_1

    Args:
        input_size: I, features of x_t.
        hidden_size: H, features of h_t and c_t.
        return_sequences: the output is every h_t, (N, T, H); by default only the last, (N, H).
        rng: seed or generator of the initial weights (W_x Glorot uniform, W_h orthogonal for each gate; b starts at 1
            for the forget gate, so that the cell keeps its content until it learns to forget, and at 0 for the others).
        dtype: of the parameters and of the input that forward accepts.

    Shapes:
        input (N, T, I), output (N, T, H) or (N, H), state (h, c), (N, H) each; W_x (4H, I), W_h (4H, H), b (4H,).

    Source: Hochreiter, Schmidhuber, "Long short-term memory", 1997; the forget gate is from Gers, Schmidhuber, Cummins,
    "Learning to forget", 2000, its bias of 1 from Jozefowicz, Zaremba, Sutskever, "An empirical exploration of
    recurrent network architectures", 2015.
    """

    biases: ClassVar[dict[str, int]] = {"b": 4}
    state_names: ClassVar[tuple[str, ...]] = ("h", "c")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        return_sequences: bool = False,
        *,
        rng: Rng = None,
        dtype: str = "float32",
    ) -> None:
        super().__init__(input_size, hidden_size, return_sequences, rng=rng, dtype=dtype)
        self.params["b"][hidden_size : 2 * hidden_size] = 1

    def _scan(self, a: Array, states: list[Array], steps: Steps) -> ScanBackward:
        W_h, (h, c), H = self.params["W_h"], states, self.hidden_size
        h_rows, c_rows = (part[steps.N :] for part in states)
        tanh_c = xp.empty_like(c_rows)
        # s(a) = 0.5 tanh(0.5 a) + 0.5 never overflows, and so one tanh serves all four gates
        scale = xp.full((4, H), 0.5, dtype=a.dtype)
        scale[2] = 1
        scale = scale.reshape(-1)
        shift = 1 - scale
        turned = W_h.T.copy("C")  # the small products of the loop are faster so
        turned *= scale
        a *= scale
        i, f, g, o = (a[:, k * H : (k + 1) * H] for k in range(4))
        for now, before in steps.slices:
            gates = a[now]
            gates += matmul(h[before], turned)
            xp.tanh(gates, out=gates)
            gates *= scale
            gates += shift
            c_now = c_rows[now]
            xp.multiply(f[now], c[before], out=c_now)
            c_now += i[now] * g[now]
            xp.tanh(c_now, out=tanh_c[now])
            xp.multiply(o[now], tanh_c[now], out=h_rows[now])

        def backward(dh_rows: Array | None, dstates: list[Array]) -> Array:
            dh, dc = dstates
            delta = xp.empty((len(a), 4, H), dtype=a.dtype)  # first dc_t's and dh_t's factors, then times these
            delta[:, 0] = g * (i * (1 - i))
            delta[:, 1] = c[steps.before] * (f * (1 - f))
            delta[:, 2] = i * (1 - g * g)
            delta[:, 3] = tanh_c * (o * (1 - o))
            slope = o * (1 - tanh_c * tanh_c)
            for now, _ in reversed(steps.slices):
                n = now.stop - now.start
                d, dh_now, dc_now = delta[now], dh[:n], dc[:n]
                if dh_rows is not None:
                    dh_now += dh_rows[now]
                dc_now += dh_now * slope[now]
                d[:, :3] *= dc_now[:, None]
                d[:, 3] *= dh_now
                dc_now *= f[now]
                matmul(d.reshape(n, 4 * H), W_h, dh_now)
            delta = delta.reshape(-1, 4 * H)
            self.grads.add_product("W_h", delta.T, h[steps.before])
            return delta

        return backward
