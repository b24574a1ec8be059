"""The simple recurrent layer (Elman)."""

from collections.abc import Callable

from ..backend import Array, aligned, fused, small_products, xp
from .recurrent import Recurrent, ScanBackward, Steps


class RNN(Recurrent):
    r"""Elman's recurrent layer, h_t = tanh(W_x x_t + W_h h_{t-1} + b).

    Backward runs through time; only the state's gradient needs the loop, the rest is one product each::

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

    def _scan(self, a: Array, states: list[Array], steps: Steps) -> ScanBackward:
        (h,) = states
        elman_backward = elman(a, h, self.params["W_h"], steps.slices)

        def backward(dh_rows: Array | None, dstates: list[Array]) -> Array:
            delta = elman_backward(dh_rows, *dstates)
            self.grads.add_product("W_h", delta.T, h[steps.before])
            return delta

        return backward


@fused
def elman(a: Array, h: Array, W_h: Array, slices: list[tuple[slice, slice]]) -> Callable[[Array | None, Array], Array]:
    """Fill in the states h_t = tanh(a_t + W_h h_{t-1}), and their backward(dE/dh_t, dE/dh_T) -> delta.

    Shapes and arguments as for :meth:`Recurrent._scan`; backward turns dE/dh_T in place into dE/dh_0.
    """
    N = len(h) - len(a)
    h_rows = h[N:]
    turned = aligned(W_h.T)  # the small products of the loop take half the time so
    with small_products(N, turned) as product:
        for now, before in slices:
            h_now = product(h[before], turned, h_rows[now])
            h_now += a[now]
            xp.tanh(h_now, out=h_now)

    def backward(dh_rows: Array | None, dh: Array) -> Array:
        delta: Array = h_rows * h_rows
        xp.subtract(1, delta, out=delta)
        straight = aligned(W_h)
        with small_products(N, straight) as product:
            for now, _ in reversed(slices):
                d, dh_now = delta[now], dh[: now.stop - now.start]
                if dh_rows is not None:
                    dh_now += dh_rows[now]
                d *= dh_now
                product(d, straight, dh_now)
        return delta

    return backward
