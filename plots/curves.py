"""Loss and accuracy over the epochs."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .canvas import BLUE, VERMILLION, grid, label

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NO_SCORE = ("epoch", "lr", "seconds")


def curves(history: Sequence[Mapping[str, float]]) -> "Figure":
    """The loss, the accuracy and every other score of a run over its epochs, in training and on held-out data.

    Args:
        history: a :class:`History`, or any rows with its columns; ``val_NAME`` is drawn beside ``NAME``.

    Raises:
        ImportError: matplotlib is missing; the message names the extra.
        ValueError: no row has a score.

    >>> figure = plots.curves([{"epoch": 1, "loss": 0.5, "val_loss": 0.6}, {"epoch": 2, "loss": 0.3, "val_loss": 0.5}])
    >>> figure.savefig("curves.png")
    """
    scores = list(dict.fromkeys(key.removeprefix("val_") for row in history for key in row if key not in _NO_SCORE))
    if not scores:
        raise ValueError("curves: expected a history with at least one epoch's loss, got none")
    figure, panels = grid(len(scores), 3, 4.2, 3.2)
    from matplotlib.ticker import MaxNLocator

    lines = {}
    for axes, score in zip(panels, scores, strict=True):
        for column, name, colour, style in (
            (score, "training", BLUE, "o-"), (f"val_{score}", "held out", VERMILLION, "s--")
        ):  # fmt: skip
            points = [(row.get("epoch", i), row[column]) for i, row in enumerate(history, 1) if column in row]
            if points:
                every = -(-len(points) // 25)
                (lines[name],) = axes.plot(*zip(*points, strict=True), style, color=colour, ms=3.5, markevery=every)
        axes.set(xlabel="epoch", ylabel=label(score))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(alpha=0.3)
    figure.legend(lines.values(), lines.keys(), loc="outside upper center", ncols=2, frameon=False)
    return figure
