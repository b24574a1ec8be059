"""The ONNX nodes of ``layers/modern``: operators of opset 17 if there is one, else the nodes that PyTorch writes."""

import math

import numpy as np

from ... import layers
from ...backend import to_numpy
from .writer import Writer, Writers

FIXED = "fixed_"
"""A prefix in the names of weights that are not trained."""


def _gelu(w: Writer, layer: layers.GELU, x: str) -> str:
    if layer.approximate == "none":
        t = w.node("Erf", w.node("Div", x, w.number(math.sqrt(2))))
    else:
        cube = w.node("Mul", x, w.node("Mul", x, x))
        inner = w.node("Add", x, w.node("Mul", cube, w.number(0.044715)))
        t = w.node("Tanh", w.node("Mul", inner, w.number(math.sqrt(2 / math.pi))))
    return w.node("Mul", w.node("Mul", x, w.node("Add", t, w.number(1.0))), w.number(0.5))


def _softplus(w: Writer, layer: layers.Softplus, x: str) -> str:
    z = x if layer.beta == 1 else w.node("Mul", x, w.number(layer.beta))
    y = w.node("Softplus", z)
    y = y if layer.beta == 1 else w.node("Div", y, w.number(layer.beta))
    if layer.threshold >= 20:  # where PyTorch's default makes no difference
        return y
    return w.node("Where", w.node("Greater", z, w.number(layer.threshold)), x, y)


def _clip(w: Writer, layer: layers.Clip, x: str) -> str:
    return w.node("Clip", x, *(w.number(bound) if math.isfinite(bound) else "" for bound in (layer.low, layer.high)))


def _prelu(w: Writer, layer: layers.PReLU, x: str) -> str:
    alpha = to_numpy(layer.params["alpha"])
    axes_behind = 0 if len(alpha) == 1 else w.rank - 2
    return w.node("PRelu", x, w.weight(layer, "alpha", alpha.reshape(-1, *[1] * axes_behind)))


def _layer_norm(w: Writer, layer: layers.LayerNorm, x: str) -> str:
    weights = [w.weight(layer, key) for key in layer.params]
    weights = weights or [w.own("ones", np.ones(layer.normalized_shape))]
    return w.node("LayerNormalization", x, *weights, axis=-len(layer.normalized_shape), epsilon=layer.eps)


def _reshape(w: Writer, layer: layers.Reshape, x: str) -> str:
    w.rank = 1 + len(layer.sizes)
    return w.node("Reshape", x, w.own("sizes", [0, *layer.sizes], "int64"))


def _slice(w: Writer, layer: layers.Slice, x: str) -> str:
    ends = {"start": layer.start or 0, "stop": 2**63 - 1 if layer.stop is None else layer.stop, "axis": layer.axis}
    return w.node("Slice", x, *(w.own(key, [value], "int64") for key, value in ends.items()))


def _affine(w: Writer, layer: layers.Affine, x: str) -> str:
    arrays = layer.params if layer.learned else layer.buffers
    names = (f"{'' if layer.learned else FIXED}{key}" for key in ("scale", "offset"))
    scale, offset = (w.weight(layer, name, to_numpy(arrays[name.removeprefix(FIXED)])) for name in names)
    return w.node("Add", w.node("Mul", x, scale), offset)


MODERN: Writers = {
    layers.Affine: (_affine, lambda layer: (None,) * len(layer.shape)),
    layers.Reshape: (_reshape, None),
    layers.Slice: (_slice, None),
    layers.Clip: (_clip, None),
    layers.ELU: (lambda w, layer, x: w.node("Elu", x, alpha=layer.alpha), None),
    layers.GELU: (_gelu, None),
    layers.HardSigmoid: (lambda w, layer, x: w.node("HardSigmoid", x, alpha=layer.slope, beta=layer.offset), None),
    layers.HardSwish: (lambda w, layer, x: w.node("HardSwish", x), None),
    layers.LayerNorm: (_layer_norm, None),
    layers.LogSoftmax: (lambda w, layer, x: w.node("LogSoftmax", x, axis=-1), None),
    layers.Permute: (
        lambda w, layer, x: w.node("Transpose", x, perm=[0, *layer.axes]),
        lambda layer: (None,) * len(layer.axes),
    ),
    layers.PReLU: (_prelu, None),
    layers.ReLU6: (_clip, None),
    layers.SiLU: (lambda w, layer, x: w.node("Mul", x, w.node("Sigmoid", x)), None),
    layers.Softplus: (_softplus, None),
}
