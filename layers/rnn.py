"""The simple recurrent layer (Elman)."""

import numpy as np

from ..backend import Array, Rng, xp
from .base import Backward, Layer, positive
from .init import he_uniform, orthogonal


class RNN(Layer):
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
        rng: seed or generator of the initial weights (W_x He uniform, W_h orthogonal; b starts at 0).
        dtype: of the parameters and of the input that forward accepts.

    Shapes:
        input (N, T, I), output (N, T, H) or (N, H); W_x (H, I), W_h (H, H), b (H,).

    Source: Elman, "Finding structure in time", 1990; Werbos, "Backpropagation through time", 1990.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        return_sequences: bool = False,
        *,
        rng: Rng = None,
        dtype: str = "float32",
    ) -> None:
        positive(input_size=input_size, hidden_size=hidden_size)
        rng = np.random.default_rng(rng)
        super().__init__(
            W_x=he_uniform(rng, (hidden_size, input_size), input_size, dtype),
            W_h=orthogonal(rng, hidden_size, dtype),
            b=np.zeros(hidden_size, dtype),
        )
        self.input_size, self.hidden_size, self.return_sequences = input_size, hidden_size, return_sequences

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        y, backward = self.forward_from(x, None, needs_dx)
        return y, lambda dy: backward(dy)[0]

    def forward_from(self, x: Array, h0: Array | None, needs_dx: bool = True):
        """Forward from an initial state, for text or signals that go on where the last call ended.

        The last state is the output itself, or ``y[:, -1]`` where all are returned.

        Args:
            x: (N, T, I).
            h0: the state before the first step, (N, H); None is zeros.
            needs_dx: as for forward.

        Returns:
            y as forward gives it, and ``backward(dy) -> (dx, dh0)``.
        """
        self._check(x, "N", "T", self.input_size)
        (N, T, _), H = x.shape, self.hidden_size
        W_x, W_h, b = self.params["W_x"], self.params["W_h"], self.params["b"]
        x_t = xp.ascontiguousarray(x.transpose(1, 0, 2)).reshape(T * N, self.input_size)
        states = xp.zeros((T + 1, N, H), dtype=x.dtype)  # states[t] is h_t, time-major: each step is contiguous
        if h0 is not None:
            if h0.shape != (N, H):
                raise ValueError(f"{self}: expected an initial state of shape {(N, H)}, got {h0.shape}")
            states[0] = h0
        h = states[1:]
        xp.matmul(x_t, W_x.T, out=h.reshape(T * N, H))
        h += b
        for t in range(T):
            h[t] += states[t] @ W_h.T
            xp.tanh(h[t], out=h[t])

        def backward(dy: Array) -> tuple[Array | None, Array]:
            slope = 1 - h * h
            dh = xp.zeros((N, H), dtype=x.dtype)
            delta = xp.empty_like(h)
            for t in reversed(range(T)):
                if self.return_sequences:
                    dh = dh + dy[:, t]
                elif t == T - 1:
                    dh = dy
                xp.multiply(dh, slope[t], out=delta[t])
                dh = delta[t] @ W_h
            delta = delta.reshape(T * N, H)
            self.grads["W_x"] += delta.T @ x_t
            self.grads["W_h"] += delta.T @ states[:-1].reshape(T * N, H)
            self.grads["b"] += delta.sum(0)
            dx = (delta @ W_x).reshape(T, N, -1).transpose(1, 0, 2) if needs_dx else None
            return dx, dh

        return (h.transpose(1, 0, 2) if self.return_sequences else h[-1]), backward

    def _arguments(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + (", return_sequences=True" if self.return_sequences else "")
