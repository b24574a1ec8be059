"""The parameters of a network, its feature maps, and the pixels that matter to it."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..backend import Array, to_numpy
from ..backend.shared.data import on_host
from ..layers import Layer, inference
from ..layers.settings import positive
from .canvas import BLUE, SIGNED, UNSIGNED, as_pictures, grid, label, new_figure, shaped, tiles
from .outputs import gradient_of_logits, inputs, one_by_one, with_own_gradients

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def weights(model: Layer) -> "Figure":
    """A histogram of each parameter's elements; the title counts those that are not finite.

    Raises:
        ImportError: matplotlib is missing; the message names the extra.
        ValueError: the model has no parameters.

    >>> figure = plots.weights(MLP((8, 4, 2), rng=0))
    """
    parameters = {name: to_numpy(value) for name, value in model.params.items()}
    if not parameters:
        raise ValueError(f"weights: {type(model).__name__} has no parameters")
    figure, panels = grid(len(parameters), 4, 2.6, 2.0)
    for axes, (name, value) in zip(panels, parameters.items(), strict=True):
        finite = value[np.isfinite(value)]
        axes.stairs(*np.histogram(finite, min(50, max(5, finite.size // 5))), fill=True, color=BLUE)
        spoilt = f"\n{value.size - finite.size:,} not finite" if finite.size < value.size else ""
        axes.set_title(f"{label(name, 20)} {value.shape}{spoilt}", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.locator_params(nbins=4)
    figure.supxlabel("value", fontsize=9)
    figure.supylabel("elements", fontsize=9)
    return figure


def filters(model: Layer, *, shape: tuple[int, ...] | None = None, count: int = 64) -> "Figure":
    """The weights of the first layer: one picture for each kernel or unit.

    A kernel on three channels is shown in colour, grey where the weights are 0; a kernel on another number of channels
    as one picture per channel.

    Args:
        model: a network whose first layer with weights W is a convolution, or a Dense over the pixels of a picture.
        shape: the shape of a Dense's input picture, (H, W) or (C, H, W), if it is not a square.
        count: the most pictures to show.

    Raises:
        ImportError: matplotlib is missing; the message names the extra.
        ValueError: the first layer with parameters is another one, its pictures have another shape, or count is not a
            whole number of at least 1.

    >>> figure = plots.filters(LeNet5(rng=0))
    """
    positive(count=count)
    name, first = next(((name, leaf) for name, leaf in model.leaves() if leaf.params), ("", model))
    if "W" not in first.params or first.params["W"].ndim < 2:
        raise ValueError(f"filters: expected a convolution or a Dense as the first layer with parameters, got {first}")
    W = shaped(to_numpy(first.params["W"]).astype(np.float64), shape)
    size = float(np.abs(W).max()) or 1.0
    D, C = W.shape[:2]
    if C == 3:
        pictures, names = list(np.moveaxis(W / (2 * size) + 0.5, 1, -1)), [(str(d),) for d in range(D)]
    else:
        pictures = list(W.reshape(-1, *W.shape[2:]))
        names = [(f"{d}, channel {c}" if C > 1 else str(d),) for d in range(D) for c in range(C)]
    heading = f"filters of layer {name or type(first).__name__}: " + (f"{count} of " if len(pictures) > count else "")
    heading += str(len(pictures))
    bar = "" if C == 3 else "weight"
    return tiles(pictures[:count], names[:count], heading, 8, cmap=SIGNED, limits=(-size, size), bar=bar)


def feature_maps(model: Layer, x: np.ndarray, *, count: int = 16) -> "Figure":
    """One sample on its way through a network: the channels of each layer's output that is still a picture.

    Args:
        model: a network with convolutions.
        x: one sample, (C, H, W), or a batch (1, C, H, W) of one.
        count: the most channels to show per layer.

    Raises:
        ImportError: matplotlib is missing; the message names the extra.
        ValueError: x is not one sample or does not fit the model, no layer's output is a picture, or count is not a
            whole number of at least 1.

    >>> figure = plots.feature_maps(LeNet5(rng=0), np.zeros((1, 28, 28)))
    """
    positive(count=count)
    x = on_host(x)
    x = x[None] if x.ndim == 3 else x
    if x.ndim != 4 or len(x) != 1:
        raise ValueError(f"feature_maps: expected one sample (C, H, W), got {x.shape}")
    rows = [("input", x[0]), *_maps(model, inputs(model, x))]
    if len(rows) < 2:
        raise ValueError(f"feature_maps: no output of {type(model).__name__}'s layers is a picture")
    figure = new_figure(9, 0.3 + 0.85 * len(rows))
    for index, (name, maps) in enumerate(rows):
        axes = figure.add_subplot(len(rows), 1, index + 1)
        axes.imshow(_beside(maps[:count], count), cmap=UNSIGNED, interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        C, H, W = maps.shape
        text = f"{name}\n{f'{count} of ' if count < C else ''}{C} maps {H}×{W}" if index else f"input\n{H}×{W}"
        axes.set_ylabel(text, rotation=0, ha="right", va="center", fontsize=8)
    return figure


def _maps(model: Layer, x: Array) -> Iterator[tuple[str, np.ndarray]]:
    """(name, (C, H, W)) of each output that is a picture of more than one pixel."""
    for name, layer in one_by_one(model):
        x = layer(x)
        if x.ndim == 4 and x.shape[2] * x.shape[3] > 1:
            yield name, to_numpy(x)[0].astype(np.float64)


def _beside(maps: np.ndarray, count: int) -> np.ndarray:
    """Maps in one row with gaps of NaN between them, each scaled by its own range, and space for ``count`` in all."""
    C, H, W = maps.shape
    gap = -(-W // 10)
    low, high = maps.min((1, 2), keepdims=True), maps.max((1, 2), keepdims=True)
    row = np.full((H, count, W + gap), np.nan)
    row[:, :C, :W] = ((maps - low) / np.where(high > low, high - low, 1)).swapaxes(0, 1)
    return row.reshape(H, -1)


def saliency(
    model: Layer,
    x: np.ndarray,
    label: np.ndarray | int | None = None,
    classes: Sequence[str] | None = None,
    *,
    shape: tuple[int, ...] | None = None,
) -> "Figure":
    """How strongly each pixel affects a logit: |d(logit)/d(pixel)|, the largest over the channels, beside the picture.

    Args:
        model: a classifier. Its gradients do not change; dropout is off.
        x: the model's inputs, (N, H, W), (N, C, H, W) or (N, features).
        label: the logit's index, one for all samples or (N,); by default the predicted class.
        classes: the labels' names.
        shape: the shape of one picture, for (N, features) that do not form a square.

    Raises:
        ImportError: matplotlib is missing; the message names the extra.
        ValueError: x does not have one of these shapes or does not fit the model, or a label is not the index of a
            logit.

    Source: Simonyan, Vedaldi, Zisserman, "Deep inside convolutional networks: visualising image classification models
    and saliency maps", 2013.

    >>> figure = plots.saliency(LeNet5(rng=0), np.random.default_rng(0).random((2, 1, 28, 28)), label=[3, 7])
    """
    x = on_host(x)
    with inference():
        y, backward = with_own_gradients(model).forward(inputs(model, x))
    dy, labels = gradient_of_logits(y, None if label is None else np.broadcast_to(label, len(x)))
    if (dx := backward(dy)) is None:
        raise ValueError(f"saliency: {type(model).__name__} reads symbols, which have no gradient")
    size = np.abs(shaped(to_numpy(dx).astype(np.float64), shape)).max(1)
    size /= np.maximum(size.max((1, 2), keepdims=True), np.finfo(np.float64).tiny)
    names = [str(k) if classes is None else classes[k] for k in labels]
    both = [picture for pair in zip(as_pictures(x, shape), size, strict=True) for picture in pair]
    titles = [line for i, name in enumerate(names) for line in ((f"input {i}",), (f"logit of {name}",))]
    return tiles(both, titles, "|d(logit)/d(pixel)| as a share of its largest", 6, bar="share")
