"""The gated recurrent unit."""

from typing import ClassVar

from ..backend import Array, add_product, matmul, xp
from .recurrent import Recurrent, ScanBackward, Steps, add_rows


class GRU(Recurrent):
    r"""Gated recurrent unit: h_t goes from h_{t-1} towards a candidate n, as far as the gate z lets it.

    The gates lie one below the other, in PyTorch's order r, z, n; s is the sigmoid, * elementwise. The reset gate acts
    on the product (linear_before_reset in ONNX), which needs the bias b_h inside it::

        r   = s(W_xr x_t + W_hr h_{t-1} + b_r)
        z   = s(W_xz x_t + W_hz h_{t-1} + b_z)
        m   = W_hn h_{t-1} + b_h
        n   = tanh(W_xn x_t + b_n + r * m)
        h_t = (1 - z) * n + z * h_{t-1}

    Backward runs through time; dh_t is the whole gradient for h_t, and only it needs the loop::

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

    biases: ClassVar[dict[str, int]] = {"b": 3, "b_h": 1}

    def _scan(self, a: Array, states: list[Array], steps: Steps) -> ScanBackward:
        W_h, b_h, (h,), H = self.params["W_h"], self.params["b_h"], states, self.hidden_size
        h_rows = h[steps.N :]
        gates, n = a[:, : 2 * H], a[:, 2 * H :]
        r, z = gates[:, :H], gates[:, H:]
        m = xp.empty_like(h_rows)
        turned = xp.ascontiguousarray(W_h.T)  # the small products of the loop are faster so
        for now, before in steps.slices:
            u = matmul(h[before], turned)
            rz = gates[now]
            rz += u[:, : 2 * H]
            rz *= 0.5  # s(a) = 0.5 tanh(0.5 a) + 0.5, which never overflows
            xp.tanh(rz, out=rz)
            rz *= 0.5
            rz += 0.5
            xp.add(u[:, 2 * H :], b_h, out=m[now])
            n_now, h_now = n[now], h_rows[now]
            n_now += r[now] * m[now]
            xp.tanh(n_now, out=n_now)
            xp.subtract(h[before], n_now, out=h_now)
            h_now *= z[now]
            h_now += n_now

        def backward(dh_rows: Array | None, dstates: list[Array]) -> Array:
            (dh,) = dstates
            h_before = h[steps.before]
            dn = (1 - z) * (1 - n * n)  # first the factors of dh_t, then times dh_t
            delta = xp.empty((len(n), 3, H), dtype=n.dtype)
            delta[:, 0] = dn * m * (r * (1 - r))
            delta[:, 1] = (h_before - n) * (z * (1 - z))
            delta[:, 2] = dn * r
            for now, _ in reversed(steps.slices):
                size = now.stop - now.start
                d, dn_now, dh_now = delta[now], dn[now], dh[:size]
                if dh_rows is not None:
                    dh_now += dh_rows[now]
                d *= dh_now[:, None]
                dn_now *= dh_now
                dh_now *= z[now]
                dh_now += matmul(d.reshape(size, 3 * H), W_h)
            add_product(self.grads["W_h"], delta.reshape(-1, 3 * H).T, h_before)  # at once: below delta changes
            add_rows(self.grads["b_h"], delta[:, 2])
            delta[:, 2] = dn
            return delta.reshape(-1, 3 * H)

        return backward
