"""Write xpnn networks as ONNX models."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.checker
import onnx.shape_inference
from onnx import helper, numpy_helper

from ... import __version__
from ...backend import xp
from ...data.files import write_file
from ...layers import Embedding, Layer
from ...layers.base import several
from ...layers.recurrent import Recurrent
from ...models import Graph
from .writer import Shape, Writer
from .writers import WRITERS

OPSET, IR_VERSION = 17, 8  # of 2022: all programs in use read them, and nothing newer is needed


def export(model: Layer, path: str | Path, *, input_shape: Sequence[Any] | None = None, dtype: str = "float32") -> None:
    """Write a network for inference as an ONNX model with a free batch size.

    :func:`load` restores the same layers, nesting and parameters, bit for bit.

    Args:
        model: a layer or network of xpnn's.
        path: of the file, which is replaced if it exists.
        input_shape: of one sample, with None for a free axis; of several inputs, a tuple of shapes. By default the
            model's own, with a free time axis for sequences.
        dtype: of the input if the model has no parameters; else it is the parameters' dtype.

    The file's inputs and outputs have the names of a :class:`Graph`'s, else they are "input" and "output".

    Raises:
        OSError: the file cannot be written; one that was there is whole, as after :func:`xpnn.save`.
        TypeError: the model is not a layer, or contains a layer that is not one of xpnn's own.
        ValueError: the model's input shape is unknown and ``input_shape`` is missing, or it does not fit the model.
    """
    if not isinstance(model, Layer):
        raise TypeError(f"export: expected a layer or a network, got {type(model).__name__}")
    if model.joins and not isinstance(model, Graph):
        raise TypeError(f"export: {type(model).__name__} joins several inputs: put it into a Graph, which names them")
    inputs, outputs = (model.inputs, model.outputs) if isinstance(model, Graph) else (("input",), ("output",))
    firsts = [_first(model, name) for name in inputs]
    shapes = _sample_shapes(model, firsts, input_shape)
    ranks = {name: len(shape) + 1 for name, shape in zip(inputs, shapes, strict=True)}
    writer = Writer(model, np.dtype(model.dtype or dtype), ranks, WRITERS)
    values = writer.layer(model, "", inputs if model.joins else inputs[0])
    writer.rename(dict(zip(several(values), outputs, strict=True)))
    dtypes = [np.dtype("int64") if isinstance(first, Embedding) else writer.dtype for first in firsts]
    known = [tuple(size for size in shape if size is not None) for shape in shapes]
    if known == shapes:
        x: Any = tuple(xp.zeros((1, *shape), dtype=kind) for shape, kind in zip(known, dtypes, strict=True))
        model(x if model.joins else x[0])  # a wrong shape raises the layers' own errors
    graph = helper.make_graph(
        writer.nodes,
        type(model).__name__,
        [_value(*value, alone=len(inputs) == 1) for value in zip(inputs, dtypes, shapes, strict=True)],
        [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(writer.dtype), None) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in writer.constants.items()],
    )
    proto = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="xpnn",
        producer_version=__version__,
    )
    proto = onnx.shape_inference.infer_shapes(proto, check_type=True, strict_mode=True, data_prop=True)
    del proto.graph.value_info[:]  # only the output's shape was needed
    onnx.checker.check_model(proto, full_check=True)
    write_file(path, proto.SerializeToString())


def _value(name: str, dtype: np.dtype, shape: Shape, alone: bool) -> onnx.ValueInfoProto:
    """An input; free axes have names of their own in each of several."""
    prefix = "" if alone else f"{name}_"
    axes = ["N", *(f"{prefix}axis_{i}" if size is None else size for i, size in enumerate(shape, 1))]
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), axes)


def _first(model: Layer, name: str) -> Layer:
    """The first layer that is not elementwise and so determines this input's shape; else the first layer."""
    readers = (
        [layer for layer, *reads in model.nodes.values() if name in reads] if isinstance(model, Graph) else [model]
    )
    leaves = [leaf for reader in readers for _, leaf in reader.leaves()]
    return next((leaf for leaf in leaves if WRITERS.get(type(leaf), (None, leaf))[1]), leaves[0])


def _sample_shapes(model: Layer, firsts: list[Layer], given: Sequence[Any] | None) -> list[Shape]:
    """For each input the shape of one sample, with None for a free axis; an error if it is unknown."""
    if given is not None:
        return [tuple(shape) for shape in given] if model.joins else [tuple(given)]
    own = getattr(model, "input_shape", None)
    owns: Sequence[Shape | None] = (None,) * len(firsts) if own is None else own if model.joins else (own,)
    shapes = []
    for first, shape in zip(firsts, owns, strict=True):
        if shape is None or isinstance(first, (Recurrent, Embedding)):
            _, sample = WRITERS.get(type(first), (None, None))
            shape = () if sample is None else sample(first)
        if not shape:
            raise ValueError(f"export: {type(model).__name__} does not tell the shape of its input: give input_shape")
        shapes.append(shape)
    return shapes
