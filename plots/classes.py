"""The mistakes of a classifier."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..backend.shared.data import on_host
from ..layers import Layer
from ..layers.settings import positive
from .canvas import ON_DARK, ON_LIGHT, UNSIGNED, as_pictures, label, new_figure, tiles
from .outputs import probabilities

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NUMBERED = 40  # with more classes, cells show no counts, and only some classes their names


def confusion_matrix(y: np.ndarray, predicted: np.ndarray, classes: Sequence[str] | None = None) -> "Figure":
    """The number of samples of each true class (row) that were taken for each class (column), coloured by row share.

    Args:
        y: the true labels, (N,): integers, or the names of classes.
        predicted: the predicted labels, likewise.
        classes: the names that integer labels index; by default the values that occur.

    Raises:
        ImportError: matplotlib is missing; the message names the extra.
        ValueError: y and predicted differ in shape, are empty, or have a label that is not one of the classes.

    >>> figure = plots.confusion_matrix([0, 0, 1, 2], [0, 1, 1, 2], ["cat", "dog", "fox"])
    """
    counts, names = count_pairs(y, predicted, classes)
    K = len(names)
    shown = range(0, K, -(-K // _NUMBERED))
    texts = [label(names[k]) for k in shown]
    side, margin = min(max(1.8, 0.33 * K), 14), 0.8 + 0.09 * max(map(len, texts))
    figure = new_figure(side + margin + 1.2, side + margin)
    figure.set_layout_engine("compressed")  # for the square cells
    axes = figure.add_subplot()
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    image = axes.imshow(share, cmap=UNSIGNED, vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, label="share of the true class", fraction=0.04)
    axes.set_xticks(shown, texts, rotation=90 if max(map(len, texts)) > 2 else 0)
    axes.set_yticks(shown, texts)
    axes.set(xlabel="predicted", ylabel="true")
    if K <= _NUMBERED:
        _number(axes, counts, share)
    return figure


def _number(axes: "Axes", counts: np.ndarray, share: np.ndarray) -> None:
    """Write each cell's count, in a size that fits the largest, dark on light or light on dark."""
    size = min(9.0, 30.0 / len(str(counts.max())))
    for i, j in np.argwhere(counts):
        colour = ON_LIGHT if share[i, j] > 0.5 else ON_DARK
        axes.text(j, i, str(counts[i, j]), ha="center", va="center", color=colour, fontsize=size, in_layout=False)


def count_pairs(
    y: np.ndarray, predicted: np.ndarray, classes: Sequence[str] | None = None
) -> tuple[np.ndarray, list[str]]:
    """The confusion matrix, and the classes' names. Arguments and errors as for :func:`confusion_matrix`."""
    pair = [on_host(y), on_host(predicted)]
    if pair[0].shape != pair[1].shape or pair[0].ndim != 1 or not len(pair[0]):
        raise ValueError(f"expected true and predicted labels (N,), got {pair[0].shape} and {pair[1].shape}")
    both = np.stack(pair)
    if classes is None:
        values, both = np.unique(both, return_inverse=True)
        classes, both = [str(value) for value in values], both.reshape(2, -1)
    elif both.dtype.kind not in "iub":
        index = {name: k for k, name in enumerate(classes)}
        both = np.array([[index.get(name, -1) for name in row] for row in both.tolist()])
    K = len(classes)
    if both.min() < 0 or both.max() >= K:
        raise ValueError(f"a label is neither one of the {K} classes nor an index from 0 to {K - 1}")
    return np.bincount(both[0].astype(np.int64) * K + both[1], minlength=K * K).reshape(K, K), list(map(str, classes))


class Mistake(NamedTuple):
    """A sample that a classifier gets wrong, and the probability of the predicted class."""

    sample: int
    true: int
    predicted: int
    probability: float


def mistakes(p: np.ndarray, y: np.ndarray) -> list[Mistake]:
    """The samples that probabilities (N, K) get wrong, the most confident mistakes first."""
    predicted = p.argmax(1)
    surest = p[np.arange(len(p)), predicted]
    found = np.flatnonzero(predicted != y)
    return [
        Mistake(int(i), int(y[i]), int(predicted[i]), float(surest[i]))
        for i in found[np.argsort(-surest[found], kind="stable")]
    ]


def wrong(
    model: Layer,
    x: np.ndarray,
    y: np.ndarray,
    classes: Sequence[str] | None = None,
    *,
    shape: tuple[int, ...] | None = None,
    count: int = 24,
) -> "Figure":
    """The pictures that a classifier gets wrong, the most confident mistakes first: each with the predicted class, its
    probability, the true class, and the sample's index.

    Args:
        model: a classifier; its outputs are logits or probabilities.
        x: the model's inputs, (N, H, W), (N, C, H, W) or (N, features).
        y: the labels, (N,) integers.
        classes: the classes' names; by default the labels.
        shape: the shape of one picture, for (N, features) that do not form a square.
        count: the most pictures to show.

    Raises:
        ImportError: matplotlib is missing; the message names the extra.
        ValueError: x does not have one of these shapes or does not fit the model, y does not fit x or the classes, or
            count is not a whole number of at least 1.

    >>> x, y = np.random.default_rng(0).random((6, 1, 8, 8)), np.arange(6) % 3
    >>> figure = plots.wrong(Sequential(Flatten(), Dense(64, 3, rng=0)), x, y, ["cat", "dog", "fox"])
    """
    positive(count=count)
    x, y = on_host(x), on_host(y)
    p = probabilities(model, x)
    names = [str(k) for k in range(p.shape[1])] if classes is None else list(classes)
    if y.shape != (len(p),) or y.dtype.kind not in "iub" or y.min() < 0 or max(y.max() + 1, p.shape[1]) > len(names):
        got = f"{y.dtype} {y.shape} from {y.min()} to {y.max()}" if y.size and y.dtype.kind in "iubf" else str(y)
        raise ValueError(f"wrong: expected {len(p)} labels of {p.shape[1]} classes, got {got}, and {len(names)} names")
    found = mistakes(p, y)
    shown = found[:count]
    return tiles(
        list(as_pictures(x, shape)[[m.sample for m in shown]]) if shown else [],
        [(f"{m.probability:.0%} {names[m.predicted]}", f"true: {names[m.true]}", f"sample {m.sample}") for m in shown],
        f"{len(found):,} of {len(p):,} wrong" + (f", the {count} surest" if len(found) > count else ""),
    )
