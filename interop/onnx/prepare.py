"""The preprocessing of pictures and of a table's rows as ONNX nodes, before the network's own."""

from typing import Any

import numpy as np
import onnx
from onnx import helper

from ...data import Pixels, Preprocessing, TableEncoder
from ...data.encoder import Column
from .writer import NEAREST, Writer


def prepare(w: Writer, preprocessing: Preprocessing) -> tuple[str, list[onnx.ValueInfoProto]]:
    """Write the nodes that compute the network's input; returns its name, and the declarations of their inputs."""
    if isinstance(preprocessing, Pixels):
        shape: list[Any] = ["N", *preprocessing.shape]
        return _pixels(w, preprocessing, "pixels"), [_declared("pixels", onnx.TensorProto.UINT8, shape)]
    kinds = {True: onnx.TensorProto.STRING, False: onnx.TensorProto.DOUBLE}
    declared = [_declared(one.name, kinds[bool(one.categories)], ["N", 1]) for one in preprocessing.columns]
    return w.node("Concat", *(_column(w, one) for one in preprocessing.columns), axis=1), declared


_declared = helper.make_tensor_value_info


def quantity(w: Writer, encoder: TableEncoder, y: str) -> str:
    """A table's target in its original unit; for classes, the unchanged outputs."""
    if encoder.classes:
        return y
    scale, mean = (w.constant(f"/target_{key}", getattr(encoder.target, key)) for key in ("scale", "mean"))
    return w.node("Add", w.node("Mul", y, scale), mean)


def _pixels(w: Writer, p: Pixels, x: str) -> str:
    """x = (pixels / 255 - mean) / std, in the network's shape."""
    x = w.node("Cast", x, to=helper.np_dtype_to_tensor_dtype(w.dtype))
    if p.size:
        factor, rows, columns = p.enlargement
        scales = w.constant("/enlargement", [1, 1, factor, factor], "float32")
        x = w.node("Resize", x, "", scales, **NEAREST)
        pads = [0, 0, rows[0], columns[0], 0, 0, rows[1], columns[1]]
        x = w.node("Pad", x, w.constant("/border", pads, "int64"))
    mean, std = (np.array(values).reshape(-1, 1, 1) for values in (p.mean, p.std))
    x = w.node("Mul", x, w.constant("/brightness", np.float32(1 / 255)))
    x = w.node("Div", w.node("Sub", x, w.constant("/mean", mean)), w.constant("/std", std))
    if p.layout == "rows":
        C, _, W = (p.shape[0], *(p.size or p.shape[1:]))
        x = w.node("Transpose", x, perm=[0, 2, 1, 3])
        return w.node("Reshape", x, w.constant("/rows", [0, 0, C * W], "int64"))
    return w.node("Flatten", x) if p.layout == "flat" else x


def _column(w: Writer, column: Column) -> str:
    """A column's features (N, K)."""
    dtype = helper.np_dtype_to_tensor_dtype(w.dtype)
    if column.categories:
        x = w.node("OneHotEncoder", column.name, cats_strings=column.categories, zeros=1, domain="ai.onnx.ml")
        return w.node("Cast", w.node("Squeeze", x, w.axis(1)), to=dtype)
    mean, scale = (w.constant(f"/{key}_{column.name}", getattr(column, key), "float64") for key in ("mean", "scale"))
    x = w.node("Div", w.node("Sub", column.name, mean), scale)
    x = w.node("Where", w.node("IsNaN", x), w.constant("/missing", 0, "float64"), x)
    return w.node("Cast", x, to=dtype)
