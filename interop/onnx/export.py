"""Write xpnn networks as ONNX models."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnx.checker
import onnx.shape_inference
from onnx import helper, numpy_helper

from ... import __version__
from ...backend import xp
from ...layers import Embedding, Layer
from ...layers.recurrent import Recurrent
from ...training.files import write_file
from .writer import Shape, Writer
from .writers import WRITERS

OPSET, IR_VERSION = 17, 8  # of 2022: all programs in use read them, and nothing newer is needed


def export(
    model: Layer, path: str | Path, *, input_shape: Sequence[int | None] | None = None, dtype: str = "float32"
) -> None:
    """Write a network for inference as an ONNX model with a free batch size.

    :func:`load` restores the same layers, nesting and parameters, bit for bit.

    Args:
        model: a layer or network of xpnn's.
        path: of the file, which is replaced if it exists.
        input_shape: of one sample, with None for a free axis. By default the model's own, with a free time axis for
            sequences.
        dtype: of the input if the model has no parameters; else it is the parameters' dtype.

    Raises:
        OSError: the file cannot be written; one that was there is whole, as after :func:`xpnn.save`.
        TypeError: the model is not a layer, or contains a layer that is not one of xpnn's own.
        ValueError: the model's input shape is unknown and ``input_shape`` is missing, or it does not fit the model.
    """
    if not isinstance(model, Layer):
        raise TypeError(f"export: expected a layer or a network, got {type(model).__name__}")
    first = _first(model)
    shape = _sample_shape(model, first) if input_shape is None else tuple(input_shape)
    if input_shape is None and not shape:
        raise ValueError(f"export: {type(model).__name__} does not tell the shape of its input: give input_shape")
    writer = Writer(model, np.dtype(model.dtype or dtype), len(shape) + 1, WRITERS)
    writer.layer(model, "", "input")
    writer.nodes[-1].output[:] = ["output"]
    input_dtype = np.dtype("int64") if isinstance(first, Embedding) else writer.dtype
    known = [size for size in shape if size is not None]
    if len(known) == len(shape):
        model(xp.zeros((1, *known), dtype=input_dtype))  # a wrong shape raises the layers' own errors
    axes = ["N", *(f"axis_{i}" if size is None else size for i, size in enumerate(shape, 1))]
    graph = helper.make_graph(
        writer.nodes,
        type(model).__name__,
        [helper.make_tensor_value_info("input", helper.np_dtype_to_tensor_dtype(input_dtype), axes)],
        [helper.make_tensor_value_info("output", helper.np_dtype_to_tensor_dtype(writer.dtype), None)],
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


def _first(model: Layer) -> Layer:
    """The first layer that is not elementwise and so determines the input's shape; else the first layer."""
    leaves = [leaf for _, leaf in model.leaves()]
    return next((leaf for leaf in leaves if WRITERS.get(type(leaf), (None, leaf))[1]), leaves[0])


def _sample_shape(model: Layer, first: Layer) -> Shape:
    """The shape of one sample, with None for a free axis; () if it is unknown."""
    _, sample = WRITERS.get(type(first), (None, None))
    own: Shape | None = getattr(model, "input_shape", None)
    if own is not None and not isinstance(first, (Recurrent, Embedding)):
        return own
    return () if sample is None else sample(first)
