"""LeNet-5 as the page shows it: each layer's output and gradient for a picture, and how each element is computed."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..backend import Array, asarray, to_numpy
from ..checks.gradcheck import in_float64
from ..layers import RBF, Backward, Dense, Dropout, Layer, Softmax, SoftmaxCrossEntropy, Subsample2D
from ..models import Sequential
from ..training import SGD
from .geometry import cut, kind, names, place_of, region_of, weights_of, window_of
from .values import largest, shown

Sample = int | dict[str, Any]
"""The index of a held-out picture; or ``{"pixels": rows of 0 to 255, "label": its true class}``."""

STEP = 1e-5
"""h of the central difference (E(w + h) - E(w - h)) / 2h."""


class Run(NamedTuple):
    """A layer's pass: o -> x, and dE/dx."""

    layer: Layer
    o: Array
    x: Array
    backward: Backward


class Pictures:
    """A convolutional network and its held-out pictures. It computes in float64, on a copy of the network.

    Args:
        model: LeNet-5, or a sequence of other layers of its kinds; dropout is omitted.
        images: uint8 (N, C, H, W).
        labels: (N,), indices into classes.
        classes: the names of the classes.
        inputs: a function that turns such images into the network's input.
        loss: E, a loss of the network's outputs and the labels.

    >>> from xpnn.explore import Pictures
    >>> images, labels = np.zeros((3, 1, 8, 8), "uint8"), np.arange(3)
    >>> model = Sequential(Conv2D(1, 4, 3, rng=0), ReLU(), Flatten(), Dense(144, 3, rng=0))
    >>> pictures = Pictures(model, images, labels, ["one", "two", "three"], lambda images: images / 255)
    >>> passes, loss, backward = pictures.forward(0)
    >>> passes[0].x.shape
    (1, 4, 6, 6)
    """

    def __init__(
        self,
        model: Sequential,
        images: np.ndarray,
        labels: np.ndarray,
        classes: Sequence[str],
        inputs: Callable[[np.ndarray], np.ndarray],
        loss: SoftmaxCrossEntropy | None = None,
    ) -> None:
        copy = in_float64(Sequential(*(layer for layer in model.layers if not isinstance(layer, Dropout))))
        assert isinstance(copy, Sequential)
        self.model, self.images, self.labels, self.classes, self.inputs = copy, images, labels, classes, inputs
        self.first, self.loss = to_numpy(copy.flat_params).copy(), loss or SoftmaxCrossEntropy()
        self.names = names(copy.layers)

    def about(self) -> dict[str, Any]:
        """The data with which the page begins: the classes, the pictures to choose from, and the share of their height
        that is ink, to which drawings are fitted."""
        several = self.images[:24]
        ink = [np.ptp(np.flatnonzero(picture.max((0, 2)))) + 1 for picture in several if picture.any()]
        return {
            "classes": list(self.classes),
            "shape": list(self.images.shape[1:]),
            "pictures": several.mean(1).round().astype(int).tolist(),
            "labels": self.labels[:24].tolist(),
            "ink": float(np.median(ink)) / self.images.shape[2] if ink else 1.0,
        }

    def sample(self, sample: Sample) -> tuple[Array, Array]:
        """The network's input and the label, as batches of one."""
        if isinstance(sample, int):
            if not 0 <= sample < len(self.images):
                raise ValueError(f"expected a sample from 0 to {len(self.images) - 1}, got {sample}")
            image, label = self.images[sample], int(self.labels[sample])
        else:
            C, H, W = self.images.shape[1:]
            grey, label = np.asarray(sample["pixels"], np.float64), int(sample["label"])
            if grey.shape != (H, W) or not (grey >= 0).all() or not (grey <= 255).all():
                raise ValueError(f"expected {H}x{W} pixels from 0 to 255, got {grey.shape}")
            image = np.repeat(grey.round().astype(np.uint8)[None], C, 0)
        if not 0 <= label < len(self.classes):
            raise ValueError(f"expected a label from 0 to {len(self.classes) - 1}, got {label}")
        return asarray(self.inputs(image[None]), "float64"), asarray(np.array([label]))

    def forward(self, sample: Sample) -> tuple[list[Run], float, Callable[[], Array]]:
        """Each layer's pass, the loss E and its backward."""
        x, label = self.sample(sample)
        runs = []
        for layer in self.model.layers:
            y, backward = layer.forward(x)
            runs.append(Run(layer, x, y, backward))
            x = y
        value, start = self.loss.forward(x, label)
        return runs, float(to_numpy(value)), start

    def deltas(self, sample: Sample) -> tuple[list[Run], float, list[Array]]:
        """Each layer's pass, E, and dE/d(input) followed by dE/d(output) of each layer; sets the layers' ``grads``."""
        runs, loss, start = self.forward(sample)
        self.model.zero_grad()
        gradients = [start()]
        for run in reversed(runs):
            gradients.append(run.backward(gradients[-1]))
        return runs, loss, gradients[::-1]

    def passed(self, sample: Sample) -> dict[str, Any]:
        """Every map of every layer, forward and backward."""
        runs, loss, gradients = self.deltas(sample)
        (p,) = to_numpy(Softmax()(runs[-1].x))
        rows = [{"name": "", "kind": "input", "x": shown(runs[0].o[0]), "delta": shown(gradients[0][0])}]
        for name, run, delta in zip(self.names, runs, gradients[1:], strict=True):
            row = {"name": name, "kind": kind(run.layer), "layer": repr(run.layer), "x": shown(run.x[0])}
            rows.append(row | {"delta": shown(delta[0]), "strongest": largest(to_numpy(run.x[0]))})
            if "W" in run.layer.params:
                rows[-1]["steepest"] = largest(np.abs(weights_of(run.layer, "grads")))
        return {"loss": shown(loss), "p": shown(p), "predicted": int(p.argmax()), "layers": rows}

    def unit(self, sample: Sample, index: int, *at: int) -> dict[str, Any]:
        """The terms of the element ``at`` of layer ``index``'s output: its inputs times weights, and their sum."""
        runs, _, gradients = self.deltas(sample)
        layer, o, y, backward = runs[_within(index, len(runs))]
        _inside(y.shape[1:], at)
        region = region_of(layer, tuple(o.shape[1:]), at)
        taken = cut(to_numpy(o)[0], region)
        if kind(layer) in ("conv", "dense"):
            weights = weights_of(layer)[at[0]]
        elif isinstance(layer, RBF):
            weights = to_numpy(layer.centers)[at[0]]
        else:  # dx/do, by the layer's own backward: for a maximum 1 at its place, for an activation f'
            one = np.zeros(y.shape)
            one[0][at] = 1
            weights = cut(to_numpy(backward(asarray(one, "float64")))[0], region)
        bias = to_numpy(layer.params["b"])[at[0]] if "b" in layer.params else 0.0
        products = -((taken - weights) ** 2) if isinstance(layer, RBF) else taken * weights
        return {
            "o": shown(taken), "w": shown(weights), "products": shown(products), "bias": shown(bias),
            "sum": shown(products.sum() + bias), "x": shown(to_numpy(y)[0][at]), "field": self._field(index, at),
            "delta": shown(to_numpy(gradients[index + 1])[0][at]), "from": [[a, b] for a, b, _ in region],
        }  # fmt: skip

    def weight(self, sample: Sample, index: int, *at: int) -> dict[str, Any]:
        """dE/dw of one weight: delta times o at each position, their sum, and the central difference."""
        runs, _, gradients = self.deltas(sample)
        layer, o = self._learned(index), to_numpy(runs[index].o)[0]
        _inside(weights_of(layer).shape, at)
        place = place_of(layer, at)
        delta = np.atleast_2d(to_numpy(gradients[index + 1])[0][at[0]])
        read = np.atleast_2d(_read(layer, o, delta.shape, at))
        products = delta * read
        return {
            "w": shown(weights_of(layer)[at]), "delta": shown(delta), "o": shown(read), "products": shown(products),
            "sum": shown(products.sum()), "gradient": shown(weights_of(layer, "grads")[at]),
            "difference": shown(self._difference(sample, layer, place)),
        }  # fmt: skip

    def step(self, sample: Sample, lr: float, index: int, *at: int) -> dict[str, Any]:
        """One step of gradient descent on this sample: the loss and the kernel of a weight, before and after."""
        if not 0 < lr <= 10:
            raise ValueError(f"expected a learning rate above 0 and at most 10, got {lr}")
        _, before, _ = self.deltas(sample)
        layer = self._learned(index)
        first, probability = weights_of(layer).copy(), self._probability(sample)
        _inside(first.shape, at)
        place_of(layer, at)
        kernel = at[: {4: 2, 2: 1}.get(len(at), 0)]
        SGD(lr).step(self.model)
        after, last = self.forward(sample)[1], weights_of(layer)
        return {
            "loss": [shown(before), shown(after)], "p": [shown(probability), shown(self._probability(sample))],
            "weight": [shown(first[at]), shown(last[at])], "kernel": [shown(first[kernel]), shown(last[kernel])],
        }  # fmt: skip

    def reset(self) -> dict[str, Any]:
        """Restore the parameters with which the page began."""
        self.model.flat_params[...] = asarray(self.first, "float64")
        return {}

    def _learned(self, index: int) -> Any:
        """The layer, which must have weights."""
        layer = self.model.layers[_within(index, len(self.names))]
        if "W" not in layer.params:
            raise ValueError(f"expected a layer with weights, got {layer!r}")
        return layer

    def _probability(self, sample: Sample) -> float:
        x, label = self.sample(sample)
        return float(to_numpy(Softmax()(self.model(x)))[0, int(label[0])])

    def _difference(self, sample: Sample, layer: Layer, at: tuple[int, ...]) -> float:
        x, label = self.sample(sample)
        W, sides = layer.params["W"], []
        kept = float(W[at])
        try:
            for moved in (kept + STEP, kept - STEP):
                W[at] = moved
                sides.append(float(to_numpy(self.loss(self.model(x), label))))
        finally:
            W[at] = kept
        return (sides[0] - sides[1]) / (2 * STEP)

    def _field(self, index: int, at: tuple[int, ...]) -> list[list[int]] | None:
        """The receptive field: [first, after the last] row and column of the network's input; None for all of it."""
        if len(at) != 3:
            return None
        sides = [(i, i + 1) for i in at[1:]]
        for layer in reversed(self.model.layers[: index + 1]):
            if (window := window_of(layer)) is not None:
                k, s, p = window
                sides = [(a * s[e] - p[e], (b - 1) * s[e] - p[e] + k[e]) for e, (a, b) in enumerate(sides)]
        image = self.inputs(self.images[:1]).shape[2:]
        return [[max(a, 0), min(b, size)] for (a, b), size in zip(sides, image, strict=True)]


def _read(layer: Any, o: np.ndarray, shape: tuple[int, ...], at: tuple[int, ...]) -> Any:
    """The values by which a weight is multiplied, for each element of its map."""
    if isinstance(layer, Dense):
        return o[at[1]]
    window = window_of(layer)
    assert window is not None  # only Dense has none
    (rows, cols), ((k1, k2), (s1, s2), (p1, p2)) = shape, window
    if isinstance(layer, Subsample2D):  # the sum of each window
        return o[at[0], : rows * k1, : cols * k2].reshape(rows, k1, cols, k2).sum((1, 3))
    _, c, m, n = at
    return cut(o, ((c, c + 1, 1), (m - p1, m - p1 + rows * s1, s1), (n - p2, n - p2 + cols * s2, s2)))[0]


def _within(index: int, count: int) -> int:
    if not 0 <= index < count:
        raise ValueError(f"expected a layer from 0 to {count - 1}, got {index}")
    return index


def _inside(shape: tuple[int, ...], at: tuple[int, ...]) -> None:
    if len(at) != len(shape) or not all(0 <= i < size for i, size in zip(at, shape, strict=True)):
        raise ValueError(f"expected an index within {tuple(shape)}, got {at}")
