"""Two recurrent layers that read a sequence from both ends."""

from collections.abc import Callable, Iterator

import numpy as np

from ...backend import Array, Rng, asarray, xp
from ..base import Backward, Layer
from ..composite import Composite
from ..lengths import Lengths, check_lengths
from ..recurrent import Recurrent


class Bidirectional(Composite):
    r"""A recurrent layer that reads a sequence forwards, and one like it that reads it backwards::

        y = [f(x), R g(R x)]        with return_sequences, (N, T, 2H); R reverses the steps of each sequence
        y = [f(x), g(R x)]          else, (N, 2H): the state of f after the last step, that of g after the first one
        dE/dx = (df/dx)^T dE/dy_f + R (dg/dRx)^T (R) dE/dy_g

    R reverses the first lengths[n] steps of sequence n and leaves its padding in place, so R R = 1 = R^T R. With
    merge="sum" the two outputs are added, y_f = y_g = y.

    Args:
        layer: f, an RNN, LSTM or GRU.
        reverse: g, of f's class and settings; by default such a layer, whose first weights rng draws.
        merge: "concat", or "sum" to add the outputs.
        rng: seed or generator of the reverse layer's initial weights.

    Shapes: input (N, T, I), output (N, T, 2H) or (N, 2H), with H for 2H if they are added. The parameters are those of
    the layers, as "forward.W_x", "reverse.W_x", ...

    Raises:
        TypeError: a layer is not a recurrent one.
        ValueError: the two layers differ in class, settings or dtype; another merge.

    Source: Schuster, Paliwal, "Bidirectional recurrent neural networks", 1997; the last states as in PyTorch's h_n.

    >>> layer = Bidirectional(LSTM(8, 16, return_sequences=True, rng=0), rng=1)
    >>> layer(asarray(np.ones((2, 5, 8))), lengths=[5, 3]).shape
    (2, 5, 32)
    """

    separable = Composite.separable
    takes_lengths = Composite.takes_lengths
    keeps_steps = Composite.keeps_steps

    def __init__(
        self, layer: Recurrent, reverse: Recurrent | None = None, *, merge: str = "concat", rng: Rng = None
    ) -> None:
        for part in (layer,) if reverse is None else (layer, reverse):
            if not isinstance(part, Recurrent):
                raise TypeError(f"Bidirectional: expected a recurrent layer such as LSTM, got {part!r}")
        if merge not in ("concat", "sum"):
            raise ValueError(f"Bidirectional: expected merge 'concat' or 'sum', got {merge!r}")
        if reverse is None:
            sizes = layer.input_size, layer.hidden_size, layer.return_sequences
            reverse = type(layer)(*sizes, bias=layer.bias, rng=rng, dtype=str(layer.dtype))
        elif (repr(reverse), reverse.dtype) != (repr(layer), layer.dtype):
            raise ValueError(f"Bidirectional: expected two layers of one kind and dtype, got {layer} and {reverse}")
        self.layer, self.reverse, self.merge = layer, reverse, merge

    def forward(self, x: Array, needs_dx: bool = True, lengths: Lengths | None = None) -> tuple[Array, Backward]:
        f, g, H, sequences = self.layer, self.reverse, self.layer.hidden_size, self.layer.return_sequences
        f._check(x, "N", "T", f.input_size)
        R = reversal(None if lengths is None else check_lengths(self, lengths, *x.shape[:2]), x.shape[1])
        y_f, f_backward = f.forward(x, needs_dx, lengths)
        y_g, g_backward = g.forward(R(x), needs_dx, lengths)
        y_g = R(y_g) if sequences else y_g

        def backward(dy: Array) -> Array | None:
            dy_f, dy_g = (dy, dy) if self.merge == "sum" else (dy[..., :H], dy[..., H:])
            dx_f, dx_g = f_backward(dy_f), g_backward(R(dy_g) if sequences else dy_g)
            return dx_f + R(dx_g) if needs_dx else None

        return (y_f + y_g if self.merge == "sum" else xp.concatenate([y_f, y_g], axis=-1)), backward

    def children(self) -> Iterator[tuple[str, Layer]]:
        yield "forward", self.layer
        yield "reverse", self.reverse

    def _arguments(self) -> str:
        return f"{self.layer}" + ("" if self.merge == "concat" else f", merge={self.merge!r}")


def reversal(lengths: Lengths | None, T: int) -> Callable[[Array], Array]:
    """R, which reverses the steps of each sequence in (N, T, ...) up to its end."""
    if lengths is None:
        return lambda sequences: sequences[:, ::-1]
    t, ends = np.arange(T), np.asarray(lengths)[:, None]
    sample, step = xp.arange(len(ends))[:, None], asarray(np.where(t < ends, ends - 1 - t, t))
    return lambda sequences: sequences[sample, step]
