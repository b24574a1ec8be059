"""ONNX's Resize and Upsample: axis by axis, each output is a weighted sum of a few inputs."""

import math
from collections.abc import Callable, Sequence
from types import SimpleNamespace

import numpy as np

from ...backend import Array, asarray, to_numpy, xp
from ...layers import Upsample2D
from .arrays import MOST, integers
from .elementwise import apply
from .node import Node, UnsupportedNodeError

REPEATING = {
    None: (None,),
    "asymmetric": ("floor",),
    "half_pixel": ("round_prefer_floor", "round_prefer_ceil"),
    "pytorch_half_pixel": ("round_prefer_floor", "round_prefer_ceil"),
}
"""For each placement of pixels, the roundings with which a whole scale repeats each pixel that many times."""


def resize_options(node: Node) -> SimpleNamespace:
    """The attributes of a Resize or Upsample node."""
    return node.options(
        *("mode", "nearest_mode", "coordinate_transformation_mode", "scales", "axes"),
        *("antialias", "cubic_coeff_a", "exclude_outside", "extrapolation_value", "keep_aspect_ratio_policy"),
    )


def upsample(node: Node, o: SimpleNamespace, scales: Sequence[float] | None) -> Upsample2D:
    """The layer of a Resize or Upsample node with these scales of all four axes; None if they are not constants."""
    if o.mode != "nearest":
        node.refuse("mode", "xpnn repeats pixels", o.mode)
    if o.nearest_mode not in REPEATING.get(o.coordinate_transformation_mode, ()):
        node.refuse("nearest_mode", "xpnn repeats each pixel equally often", o.nearest_mode)
    wanted = list(scales or ())
    if len(wanted) != 4 or wanted[:2] != [1, 1] or not all(s >= 1 and s == int(s) for s in wanted):
        node.refuse("scales", "xpnn takes whole scales of an image's height and width", wanted)
    return Upsample2D((int(wanted[2]), int(wanted[3])))


def resize(node: Node, x: Array, *others: Array | None) -> Array:
    """Use the layer Upsample2D if it computes the same, else the operator's definition."""
    o = resize_options(node)
    roi_first = node.op == "Resize" and node.opset > 10
    _, scales, sizes = ((*others, None, None, None) if roi_first else (None, *others, None, None))[:3]
    axes = [axis % x.ndim for axis in o.axes] if o.axes else list(range(x.ndim))
    factors, lengths = _wanted(o, scales, sizes, [x.shape[axis] for axis in axes])
    if axes == [0, 1, 2, 3] and x.dtype.name in ("float32", "float64"):
        try:
            return apply(upsample(node, o, factors), x)
        except UnsupportedNodeError:  # the layer does not compute this
            pass
    for what, allowed in (("antialias", (0, None)), ("mode", MODES), ("coordinate_transformation_mode", [*PLACES])):
        if getattr(o, what) not in allowed:
            node.refuse(what, "xpnn resizes without a region or a filter", getattr(o, what))
    for axis, factor, length in zip(axes, factors, lengths, strict=True):
        if factor != 1 or length != x.shape[axis]:
            x = _along(x, axis, length, factor, o)
    return x


def _wanted(
    o: SimpleNamespace, scales: Array | None, sizes: Array | None, lengths: Sequence[int]
) -> tuple[list[float], list[int]]:
    """The factor and the new length of each axis."""
    if sizes is not None:
        wanted = integers(sizes)
        factors = [size / length for size, length in zip(wanted, lengths, strict=True)]
        if o.keep_aspect_ratio_policy in ("not_larger", "not_smaller"):
            factors = [(min if o.keep_aspect_ratio_policy == "not_larger" else max)(factors)] * len(factors)
            wanted = [math.floor(f * n + 0.5) for f, n in zip(factors, lengths, strict=True)]
    else:
        factors = o.scales if scales is None else to_numpy(scales).tolist()
        if not factors or len(factors) != len(lengths):
            raise ValueError(f"expected a scale or a size for each of {len(lengths)} axes, got {factors}")
        wanted = [math.floor(f * n) for f, n in zip(factors, lengths, strict=True)]
    if not all(f > 0 for f in factors) or math.prod(wanted) > MOST:
        raise ValueError(f"expected positive scales that make fewer than {MOST} elements, got {factors}")
    return factors, wanted


MODES = ("nearest", "linear", "cubic", "bilinear")  # "bilinear" is the name of "linear" in opset 7

PLACES: dict[str | None, Callable[[np.ndarray, float, int, int], np.ndarray]] = {
    None: lambda i, scale, length, size: i / scale,
    "asymmetric": lambda i, scale, length, size: i / scale,
    "align_corners": lambda i, scale, length, size: i * (length - 1) / (scale * length - 1) if size > 1 else i * 0.0,
    "half_pixel": lambda i, scale, length, size: (i + 0.5) / scale - 0.5,
    "half_pixel_symmetric": lambda i, scale, length, size: (
        length / 2 * (1 - size / (scale * length)) + (i + 0.5) / scale - 0.5
    ),
    "pytorch_half_pixel": lambda i, scale, length, size: (i + 0.5) / scale - 0.5 if size > 1 else i * 0.0,
}
"""The input position of output position i; scale * length is the definition's output length, not rounded."""

ROUND: dict[str | None, Callable[[np.ndarray], np.ndarray]] = {
    None: np.floor,
    "ceil": np.ceil,
    "floor": np.floor,
    "round_prefer_ceil": lambda at: np.floor(at + 0.5),
    "round_prefer_floor": lambda at: np.ceil(at - 0.5),
}


def _along(x: Array, axis: int, size: int, scale: float, o: SimpleNamespace) -> Array:
    """x with the axis resized: each output is a sum of nearby inputs with weights that add up to 1."""
    length = x.shape[axis]
    at = PLACES[o.coordinate_transformation_mode](np.arange(size, dtype="float64"), scale, length, size)
    if o.mode == "nearest":
        taps = [(ROUND[o.nearest_mode](at), np.ones(size))]
    else:
        below = np.floor(at)
        r = at - below
        weights = [1 - r, r] if "linear" in o.mode else _cubic(r, -0.75 if o.cubic_coeff_a is None else o.cubic_coeff_a)
        taps = [(below + k - (len(weights) == 4), w) for k, w in enumerate(weights)]
    cut = o.exclude_outside and o.mode == "cubic"
    inside = [(k >= 0) & (k < length) if cut else np.ones(size, bool) for k, _ in taps]
    total = sum(w * i for (_, w), i in zip(taps, inside, strict=True))
    column = (size, *[1] * (x.ndim - axis - 1))
    parts = [
        xp.take(x, asarray(np.clip(k, 0, length - 1).astype("int64")), axis=axis) * _like(w * i / total, x, column)
        for (k, w), i in zip(taps, inside, strict=True)
    ]
    return sum(parts[1:], parts[0])


def _like(weights: np.ndarray, x: Array, shape: tuple[int, ...]) -> Array:
    return asarray(weights.astype(x.dtype), x.dtype).reshape(shape)


def _cubic(r: np.ndarray, a: float) -> list[np.ndarray]:
    """Weights of the four nearest positions, for the fraction r after the second one (Keys, 1981)."""
    s = 1 - r
    near = [((a + 2) * t - (a + 3)) * t * t + 1 for t in (r, s)]
    far = [((a * t - 5 * a) * t + 8 * a) * t - 4 * a for t in (1 + r, 1 + s)]
    return [far[0], near[0], near[1], far[1]]
