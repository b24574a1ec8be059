"""Write xpnn networks as ONNX models."""

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.checker
import onnx.shape_inference
from onnx import helper, numpy_helper

from ... import __version__
from ...backend import xp
from ...data import Preprocessing, TableEncoder
from ...data.files import write_file
from ...data.preprocessing import preprocessing_to
from ...layers import Embedding, Layer
from ...layers.base import several
from ...layers.recurrent import Recurrent
from ...models import Graph
from ...training.files.about import texts
from .prepare import prepare, quantity
from .writer import Shape, Writer
from .writers import WRITERS

LENGTHS = "lengths"
ML_OPSET = 3  # of ai.onnx.ml, for a table's categories
OPSET, IR_VERSION = 17, 8  # from 2022: all programs in use can read them, and nothing newer is needed


def export(
    model: Layer,
    path: str | Path,
    *,
    input_shape: Sequence[Any] | None = None,
    dtype: str = "float32",
    lengths: bool | Collection[str] = False,
    classes: Sequence[str] | None = None,
    preprocessing: Preprocessing | None = None,
    prepared: bool = True,
) -> None:
    """Write a network for inference as an ONNX model with a free batch size.

    :func:`load` restores the same layers, nesting and parameters, bit for bit.

    Args:
        model: a layer or network of xpnn's.
        path: the file, which is replaced if it exists.
        input_shape: the shape of one sample, with None for a free axis; for several inputs, a tuple of shapes. By
            default the model's own, with a free time axis for sequences if the network takes any number of steps.
        dtype: the input's dtype if the model has no parameters; otherwise it is the parameters' dtype.
        lengths: True for a further input, "lengths" (N,) of int64, with which the file computes ``model(x, lengths)``;
            or the names of the inputs whose sequences have these lengths, if these are not all that may have steps.
        classes: the names of the labels, for the file's metadata, as a list in JSON under "classes".
        preprocessing: the preprocessing of the input, also for the metadata, as JSON under "preprocessing".
        prepared: False to include the preprocessing in the model: the inputs are then uint8 pictures (N, C, H, W), or a
            table's columns, each (N, 1) of float64 or text under its name, and a quantity has its original unit.

    The file's inputs and outputs have the names of a :class:`Graph`'s. For other networks they are "input" and
    "output", and a recurrent layer's last state is "h" and "c".

    Raises:
        OSError: the file cannot be written; an existing one is kept, as by :func:`xpnn.save`.
        TypeError: the model is not a layer, or contains a layer that is not one of xpnn's own.
        ValueError: the model's input shape is unknown and ``input_shape`` is missing, or it does not fit the model; or
            padding would be mixed into sequences of different lengths.

    >>> from xpnn.interop import onnx
    >>> onnx.export(LeNet5(rng=0), "lenet.onnx", classes=list("0123456789"))
    """
    if not isinstance(model, Layer):
        raise TypeError(f"export: expected a layer or a network, got {type(model).__name__}")
    if model.joins and not isinstance(model, Graph):
        raise TypeError(f"export: {type(model).__name__} joins several inputs: put it into a Graph, which names them")
    metadata = {} if classes is None else {"classes": json.dumps(texts(classes))}
    metadata |= {} if preprocessing is None else {"preprocessing": json.dumps(preprocessing_to(preprocessing))}
    raw = None if prepared else preprocessing
    proto = _model(model, input_shape, dtype, lengths, raw)
    onnx.helper.set_model_props(proto, metadata)
    write_file(path, proto.SerializeToString())


def _model(
    model: Layer,
    input_shape: Sequence[Any] | None,
    dtype: str,
    lengths: bool | Collection[str],
    raw: Preprocessing | None,
) -> onnx.ModelProto:
    """The checked model; ``raw`` is the preprocessing to include in it."""
    outputs: Sequence[str]
    inputs, outputs = (
        (model.inputs, model.outputs) if isinstance(model, Graph) else (("input",), ("output", *model.gives))
    )
    firsts = [_first(model, name) for name in inputs]
    own = np.dtype(model.dtype or dtype)
    dtypes = [np.dtype("int64") if isinstance(first, Embedding) else own for first in firsts]
    shapes = _sample_shapes(model, firsts, dtypes, input_shape)
    ranks = {name: len(shape) + 1 for name, shape in zip(inputs, shapes, strict=True)}
    if lengths is True:  # a table's rows have no steps
        pairs = zip(inputs, dtypes, strict=True)
        lengths = [name for name, one in pairs if not model.joins or ranks[name] > 2 or one.kind != "f"]
    spans = dict.fromkeys(_with_lengths(lengths or (), inputs), LENGTHS)
    writer = Writer(model, own, ranks, WRITERS, spans)
    declared = [_value(*value, alone=len(inputs) == 1) for value in zip(inputs, dtypes, shapes, strict=True)]
    if raw is None:
        values = several(writer.layer(model, "", inputs if model.joins else inputs[0]))
    else:
        values, declared = _from_raw(writer, model, inputs, raw)
        outputs = tuple(name + "_" * (name in {one.name for one in declared}) for name in outputs)
    writer.rename(dict(zip(values, outputs, strict=True)))
    if not any(None in shape for shape in shapes):
        _infer(model, shapes, dtypes)  # a wrong shape raises the layers' own errors
    if spans:
        declared.append(helper.make_tensor_value_info(LENGTHS, onnx.TensorProto.INT64, ["N"]))
    graph = helper.make_graph(
        writer.nodes,
        type(model).__name__,
        declared,
        [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(writer.dtype), None) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in writer.constants.items()],
    )
    return _checked(graph)


def _from_raw(
    writer: Writer, model: Layer, inputs: Sequence[str], raw: Preprocessing
) -> tuple[tuple[str, ...], list[onnx.ValueInfoProto]]:
    """The outputs of a network after its preprocessing, and the declarations of the preprocessing's inputs."""
    if len(inputs) > 1:
        raise ValueError(f"export: preprocessing is for a network of one input, got {', '.join(inputs)}")
    x, declared = prepare(writer, raw)
    values = several(writer.layer(model, "", writer.stands_for(x, inputs[0])))
    return (quantity(writer, raw, values[0]), *values[1:]) if isinstance(raw, TableEncoder) else values, declared


def _with_lengths(lengths: Collection[str], inputs: Sequence[str]) -> Collection[str]:
    """The names of the inputs whose sequences have lengths."""
    if unknown := [name for name in lengths if name not in inputs]:
        raise ValueError(f"export: lengths of {unknown[0]!r}, which is not one of the inputs {', '.join(inputs)}")
    return lengths


def _checked(graph: onnx.GraphProto) -> onnx.ModelProto:
    """The model of a graph, checked, with the shapes of its outputs."""
    domains = {node.domain for node in graph.node} - {""}
    proto = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET), *(helper.make_opsetid(name, ML_OPSET) for name in domains)],
        ir_version=IR_VERSION,
        producer_name="xpnn",
        producer_version=__version__,
    )
    proto = onnx.shape_inference.infer_shapes(proto, check_type=True, strict_mode=True, data_prop=True)
    del proto.graph.value_info[:]  # only the output's shape was needed
    onnx.checker.check_model(proto, full_check=True)
    return proto


def _value(name: str, dtype: np.dtype, shape: Shape, alone: bool) -> onnx.ValueInfoProto:
    """The declaration of an input; if there are several, each has its own names for free axes."""
    prefix = "" if alone else f"{name}_"
    axes = ["N", *(f"{prefix}axis_{i}" if size is None else size for i, size in enumerate(shape, 1))]
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), axes)


def _first(model: Layer, name: str) -> Layer:
    """The first layer that is not elementwise, which determines this input's shape; else the first layer."""
    readers = (
        [layer for layer, *reads in model.nodes.values() if name in reads] if isinstance(model, Graph) else [model]
    )
    leaves = [leaf for reader in readers for _, leaf in reader.leaves()]
    return next((leaf for leaf in leaves if WRITERS.get(type(leaf), (None, leaf))[1]), leaves[0])


def _infer(model: Layer, shapes: Sequence[Any], dtypes: Sequence[np.dtype]) -> None:
    """Infer a sample of zeros; raises the model's own errors."""
    x: Any = tuple(xp.zeros((1, *shape), dtype=dtype) for shape, dtype in zip(shapes, dtypes, strict=True))
    model(x if model.joins else x[0])


def _sample_shapes(
    model: Layer, firsts: list[Layer], dtypes: Sequence[np.dtype], given: Sequence[Any] | None
) -> list[Shape]:
    """The shape of one sample of each input, with None for a free axis; an error if it is unknown."""
    if given is not None:
        return [tuple(shape) for shape in given] if model.joins else [tuple(given)]
    own = getattr(model, "input_shape", None)
    owns: Sequence[Any] = (None,) * len(firsts) if own is None else own if model.joins else (own,)
    shapes = []
    for first, shape in zip(firsts, owns, strict=True):
        if shape is None or isinstance(first, (Recurrent, Embedding)):
            _, sample = WRITERS.get(type(first), (None, None))
            shape = () if sample is None else sample(first)
        if not shape:
            raise ValueError(f"export: the shape of {type(model).__name__}'s input is unknown: give input_shape")
        shapes.append(shape)
    known = not any(shape is None or None in shape for shape in owns)
    if known and any(None in shape for shape in shapes):
        longer = [
            [size + (free is None) for size, free in zip(own, shape, strict=True)]
            for own, shape in zip(owns, shapes, strict=True)
        ]
        try:  # a network that flattens the steps, for example, takes only one number of them
            _infer(model, longer, dtypes)
        except ValueError:
            return [*owns]
    return shapes
