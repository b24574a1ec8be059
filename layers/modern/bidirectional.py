"""Two recurrent layers that read a sequence in opposite directions."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ...backend import Array, Rng, asarray, xp
from ..base import Backward, Layer, of_several, several
from ..composite import Composite
from ..lengths import Lengths, check_lengths
from ..recurrent import Recurrent


class Bidirectional(Composite):
    r"""A recurrent layer that reads a sequence forwards, and one like it that reads it backwards::

        y = [f(x), R g(R x)]        with return_sequences, (N, T, 2H); R reverses the steps of each sequence
        y = [f(x), g(R x)]          else, (N, 2H): the state of f after the last step, that of g after the first step
        dE/dx = (df/dx)^T dE/dy_f + R (dg/dRx)^T (R) dE/dy_g

    R reverses the first lengths[n] steps of sequence n and leaves its padding in place, so R R = 1 = R^T R. With
    merge="sum" the two outputs are added, and dE/dy_f = dE/dy_g = dE/dy.

    Args:
        layer: f, an RNN, LSTM or GRU.
        reverse: g, of f's class and settings; by default a layer like f, whose initial weights rng draws.
        merge: "concat", or "sum" to add the outputs.
        rng: seed or generator of the reverse layer's initial weights.

    With return_state the last h is [h_f, h_g] (N, 2H), where h_g is g's state after the first step; c likewise. A given
    h_0 or c_0 is divided in the same way.

    Shapes: input (N, T, I), output (N, T, 2H) or (N, 2H), with H instead of 2H for merge="sum". The layers' parameters
    are named "forward.W_x", "reverse.W_x", ...

    Raises:
        TypeError: a layer is not recurrent.
        ValueError: the two layers differ in class, settings or dtype, or ``merge`` is neither.

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
            reverse = type(layer).from_settings(**layer.settings(), rng=rng, dtype=str(layer.dtype))
        elif (repr(reverse), reverse.dtype) != (repr(layer), layer.dtype):
            raise ValueError(
                f"Bidirectional: expected two layers of the same settings and dtype, got {layer} and {reverse} "
                f"({layer.dtype} and {reverse.dtype})"
            )
        self.layer, self.reverse, self.merge = layer, reverse, merge

    @property
    def joins(self) -> bool:  # type: ignore[override]
        return self.layer.joins

    @property
    def gives(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.layer.gives

    def forward(self, x: Any, needs_dx: bool = True, lengths: Lengths | None = None) -> tuple[Any, Backward]:
        f, g, H, sequences = self.layer, self.reverse, self.layer.hidden_size, self.layer.return_sequences
        x, *start = several(x)
        f._check(x, "N", "T", f.input_size)
        for state in start:
            f._check(state, "N", 2 * H)
        R = reversal(None if lengths is None else check_lengths(self, lengths, *x.shape[:2]), x.shape[1])
        y_f, f_backward = f.forward(of_several([x, *(state[:, :H] for state in start)]), needs_dx, lengths)
        y_g, g_backward = g.forward(of_several([R(x), *(state[:, H:] for state in start)]), needs_dx, lengths)
        (y_f, *last_f), (y_g, *last_g) = several(y_f), several(y_g)
        y_g = R(y_g) if sequences else y_g

        def backward(dy: Any) -> Any:
            dy, *dlast = several(dy)
            dy_f, dy_g = (dy, dy) if self.merge == "sum" else (dy[..., :H], dy[..., H:])
            dy_g = R(dy_g) if sequences else dy_g
            dx_f, *dstart_f = several(f_backward(of_several([dy_f, *(d[:, :H] for d in dlast)])))
            dx_g, *dstart_g = several(g_backward(of_several([dy_g, *(d[:, H:] for d in dlast)])))
            return of_several([dx_f + R(dx_g) if needs_dx else None, *_side_by_side(dstart_f, dstart_g)])

        y = y_f + y_g if self.merge == "sum" else xp.concatenate([y_f, y_g], axis=-1)
        return of_several([y, *_side_by_side(last_f, last_g)]), backward

    def children(self) -> Iterator[tuple[str, Layer]]:
        yield "forward", self.layer
        yield "reverse", self.reverse

    def _arguments(self) -> str:
        return f"{self.layer}" + ("" if self.merge == "concat" else f", merge={self.merge!r}")


def _side_by_side(of_f: list[Array], of_g: list[Array]) -> list[Array]:
    return [xp.concatenate(both, axis=1) for both in zip(of_f, of_g, strict=True)]


def reversal(lengths: Lengths | None, T: int) -> Callable[[Array], Array]:
    """R, which reverses the steps of each sequence in (N, T, ...) up to its end."""
    if lengths is None:
        return lambda sequences: sequences[:, ::-1]
    t, ends = np.arange(T), np.asarray(lengths)[:, None]
    sample, step = xp.arange(len(ends))[:, None], asarray(np.where(t < ends, ends - 1 - t, t))
    return lambda sequences: sequences[sample, step]
