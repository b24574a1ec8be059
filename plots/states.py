"""A recurrent layer over time."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ..backend import Array, to_numpy, xp
from ..backend.shared.data import on_host
from ..layers import Backward, Layer, inference
from ..layers.recurrent import Recurrent
from .canvas import BLUE, SIGNED, VERMILLION, new_figure
from .outputs import gradient_of_logits, inputs, one_by_one, with_own_gradients

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Norms = dict[str, np.ndarray]
"""For each state component, |dE/d(component at t)| for each t."""


def states(model: Layer, sequence: np.ndarray, label: int | None = None) -> "Figure":
    """The state h_t of each recurrent layer over time, and how strongly each step's state affects the last output.

    The lower panel shows the Euclidean norm of dE/dh_t, the gradient for the state from which the later steps begin
    (for an LSTM also dE/dc_t), where E is the label's logit at the sequence's end. Where the norm falls towards the
    left, the network forgets; where it rises, training may diverge.

    Args:
        model: a recurrent layer, or a Sequential that contains some. Its gradients do not change; dropout is off.
        sequence: one sample, (T, features), or (T,) symbols.
        label: the logit's index; by default the largest logit's.

    Raises:
        ImportError: matplotlib is missing; the message names the extra.
        ValueError: the model has no recurrent layer, or the sequence does not fit it.

    >>> figure = plots.states(RNNClassifier(8, 16, rng=0), np.random.default_rng(0).random((5, 8)))
    """
    seen = _through(with_own_gradients(model), inputs(model, on_host(sequence)[None]), label)
    if not seen:
        raise ValueError(f"states: {type(model).__name__} has no recurrent layer")
    figure, lines = new_figure(8, 0.4 + 3.8 * len(seen)), {}
    for row, (name, h, norms) in enumerate(seen):
        above = figure.add_subplot(2 * len(seen), 1, 2 * row + 1)
        size = float(np.abs(h).max()) or 1.0
        T, H = h.shape
        image = above.imshow(
            h.T, cmap=SIGNED, vmin=-size, vmax=size, aspect="auto", extent=(0.5, T + 0.5, H - 0.5, -0.5)
        )
        above.set(ylabel="state component", title=name)
        figure.colorbar(image, ax=above, label="h_t")
        below = figure.add_subplot(2 * len(seen), 1, 2 * row + 2, sharex=above)
        known = np.ma.masked_equal(list(norms.values()), 0)  # on a logarithmic axis, 0 would be an endless fall
        for component, norm, (colour, style) in zip(norms, known, ((BLUE, "o-"), (VERMILLION, "s--")), strict=False):
            (lines[f"|dE/d{component}_t|"],) = below.plot(np.arange(1, T + 1), norm, style, color=colour, ms=3)
        if known.max() > 100 * known.min():
            below.set_yscale("log")
        below.set(xlabel="step t", ylabel="gradient norm")
        below.grid(alpha=0.3)
    figure.legend(lines.values(), lines.keys(), loc="outside upper center", ncols=2, frameon=False)
    return figure


def _through(model: Layer, x: Array, label: int | None) -> list[tuple[str, np.ndarray, Norms]]:
    """(name, h (T, H), gradient norms) of each recurrent layer."""
    seen: list[tuple[str, np.ndarray, Norms]] = []
    backwards: list[Backward] = []  # of the layers from the first recurrent one on
    with inference():
        for name, layer in one_by_one(model):
            if isinstance(layer, Recurrent):
                norms = Norms()
                x, h, backward = _step_by_step(layer, x, norms)
                seen.append((name, h, norms))
            else:
                x, backward = layer.forward(x)
            backwards += [backward] if seen else []
    dy, _ = gradient_of_logits(x, None if label is None else np.array([label]))
    for backward in reversed(backwards):
        dy = backward(dy)
    return seen


def _step_by_step(layer: Recurrent, x: Array, norms: Norms) -> tuple[Array, np.ndarray, Callable[[Array], Array]]:
    """The layer's output, h (T, H), and a backward that also writes the norms."""
    steps, outputs, state = [], [], None
    for t in range(x.shape[1]):
        y, state, step = layer.forward_from(x[:, t : t + 1], state)
        outputs.append(y.reshape(1, 1, -1))
        steps.append(step)
    h = xp.concatenate(outputs, axis=1)

    def backward(dy: Array) -> Array:
        dx, nothing, totals = xp.empty_like(x), xp.zeros_like(y), []
        d: tuple[Array, ...] = (xp.zeros_like(h[:, 0]),) * len(layer.state_names)
        for t in reversed(range(len(steps))):
            if layer.return_sequences:
                d = d[0] + dy[:, t], *d[1:]
            elif t == len(steps) - 1:
                d = d[0] + dy, *d[1:]
            totals.append(xp.stack([xp.sqrt((component * component).sum()) for component in d]))
            dx[:, t : t + 1], before = steps[t](nothing, d)
            d = before if isinstance(before, tuple) else (before,)
        norms.update(zip(layer.state_names, to_numpy(xp.stack(totals[::-1], axis=1)), strict=True))
        return dx

    return (h if layer.return_sequences else h[:, -1]), to_numpy(h)[0].astype(np.float64), backward
