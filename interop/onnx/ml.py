"""Operators of ``ai.onnx.ml``, which converted scikit-learn models consist of. Labels may be text, on the host."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...backend import Array, asarray, to_numpy, xp
from ...layers import Softmax
from ...layers.activations import logistic
from .node import Node


def _array_feature_extractor(node: Node, x: Any, indices: Array) -> Any:
    """Columns of the last axis; the result has at least one row."""
    node.options()
    chosen = to_numpy(indices).reshape(-1)
    if chosen.size and not 0 <= int(chosen.min()) <= int(chosen.max()) < x.shape[-1]:
        raise ValueError(f"expected indices from 0 to {x.shape[-1] - 1}, got {chosen.min()} to {chosen.max()}")
    rows = x.reshape(1, -1) if x.ndim == 1 else x
    return rows[..., chosen] if x.dtype == object else xp.take(rows, indices.reshape(-1), axis=-1)


def _scaler(node: Node, x: Array) -> Array:
    o = node.options("offset", "scale")
    x = x if x.dtype.kind == "f" else x.astype("float32")
    return ((x - asarray(o.offset, "float32")) * asarray(o.scale, "float32")).astype("float32")


NORMS: dict[str, Callable[[Array], Array]] = {
    "L1": lambda x: abs(x).sum(-1, keepdims=True),
    "L2": lambda x: xp.sqrt(xp.square(x).sum(-1, keepdims=True)),
    "MAX": lambda x: x.max(-1, keepdims=True),
}


def _normalizer(node: Node, x: Array) -> Array:
    x = x.astype("float32")
    norm = NORMS[node.options("norm").norm](x)
    return x / xp.where(norm == 0, 1, norm)


def _after(node: Node, kind: str, scores: Array) -> Array:
    if kind == "NONE":
        return scores
    if kind not in ("SOFTMAX", "LOGISTIC"):
        node.refuse("post_transform", "xpnn has NONE, LOGISTIC and SOFTMAX", kind)
    return logistic(scores) if kind == "LOGISTIC" else Softmax()(scores)


def _scores(x: Array, coefficients: list[float], intercepts: list[float] | None) -> Array:
    """W x + b in float32, as the operators define it, with one row of W for each intercept or target."""
    x = x.astype("float32")
    W = asarray(coefficients, "float32").reshape(-1, x.shape[-1])
    return x @ W.T + (0 if intercepts is None else asarray(intercepts, "float32"))


def _linear_classifier(node: Node, x: Array) -> tuple[Any, Array]:
    o = node.options(
        *("classlabels_ints", "classlabels_strings", "coefficients", "intercepts", "multi_class", "post_transform")
    )
    scores = _scores(x, o.coefficients, o.intercepts)
    labels = np.asarray(o.classlabels_strings or o.classlabels_ints)
    if scores.shape[1] == 1 and len(labels) == 2:  # of two classes, the second one's
        scores = xp.concatenate([-scores, scores], axis=1)
    return _labels(labels[to_numpy(scores.argmax(1))]), _after(node, o.post_transform, scores)


def _labels(labels: np.ndarray) -> Any:
    return labels.astype(object) if labels.dtype.kind in "UO" else asarray(labels, "int64")


def _linear_regressor(node: Node, x: Array) -> Array:
    o = node.options("coefficients", "intercepts", "post_transform", "targets")
    return _after(node, o.post_transform, _scores(x, o.coefficients, o.intercepts))


def _zip_map(node: Node, x: Array) -> list[dict[Any, float]]:
    """A dictionary from class to probability for each row, on the host."""
    o = node.options("classlabels_int64s", "classlabels_strings")
    labels = o.classlabels_strings or o.classlabels_int64s
    return [dict(zip(labels, row, strict=True)) for row in to_numpy(x).tolist()]


def _binarizer(node: Node, x: Array) -> Array:
    return (x > node.options("threshold").threshold).astype(x.dtype)


def _label_encoder(node: Node, x: Any) -> Any:
    """Each label's value: text or numbers in, text or numbers out."""
    kinds = [f"{side}_{kind}" for side in ("keys", "values") for kind in ("floats", "int64s", "strings")]
    o = node.options(*kinds, "default_float", "default_int64", "default_string")
    keys, values = ([*filter(None, (getattr(o, name) for name in kinds[k : k + 3]))] for k in (0, 3))
    if len(keys) != 1 or len(values) != 1:
        node.refuse("keys", "xpnn takes lists of one kind", len(keys))
    default = o.default_string if o.values_strings else o.default_float if o.values_floats else o.default_int64
    table = dict(zip(keys[0], values[0], strict=True))
    given = x if x.dtype == object else to_numpy(x)
    found = [table.get(key, default) for key in given.reshape(-1).tolist()]
    dtype = object if o.values_strings else "float32" if o.values_floats else "int64"
    y = np.array(found, dtype).reshape(x.shape)
    return y if o.values_strings else asarray(y, y.dtype)


ML: dict[str, Callable[..., Any]] = {
    "ai.onnx.ml.ArrayFeatureExtractor": _array_feature_extractor,
    "ai.onnx.ml.Binarizer": _binarizer,
    "ai.onnx.ml.LabelEncoder": _label_encoder,
    "ai.onnx.ml.LinearClassifier": _linear_classifier,
    "ai.onnx.ml.LinearRegressor": _linear_regressor,
    "ai.onnx.ml.Normalizer": _normalizer,
    "ai.onnx.ml.Scaler": _scaler,
    "ai.onnx.ml.ZipMap": _zip_map,
}
"""For each operator, a function of the node and its input values that returns its outputs."""
