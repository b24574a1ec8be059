"""Read ONNX models as xpnn networks."""

from pathlib import Path

import onnx
import onnx.checker
import onnx.shape_inference

from ...layers import Layer
from .node import UnsupportedNodeError, read_graph
from .readers import READERS
from .walk import Reader


def load(path: str | Path) -> Layer:
    """The network in an ONNX model, for inference or further training.

    The model must be a chain of operations for which xpnn has layers, possibly with residual additions. For files that
    xpnn wrote, the nesting is restored; other chains become one :class:`Sequential`. The parameters are bit for bit
    those of the file. Weights that two nodes share become one layer that occurs twice.

    Args:
        path: of the file.

    Raises:
        FileNotFoundError: there is no such file.
        UnsupportedNodeError: xpnn has no layer for a node; the message names the node and what is not supported. (A
            ValueError.)
        ValueError: the file is not a valid ONNX model, or has several inputs or outputs.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        proto = onnx.load(path, format="protobuf")
        onnx.checker.check_model(proto, full_check=True)
        proto = onnx.shape_inference.infer_shapes(proto)
        graph = read_graph(proto)
    except UnsupportedNodeError:
        raise
    except Exception as error:  # parser, checker and inference raise different classes, some of them private
        raise ValueError(f"{path} is not a valid ONNX model ({' '.join(str(error).split())})") from error
    return Reader(graph, _ranks(proto), READERS).network()


def _ranks(proto: onnx.ModelProto) -> dict[str, int]:
    """The number of axes of each value, if the model or shape inference gives it."""
    values = [*proto.graph.input, *proto.graph.value_info, *proto.graph.output]
    tensors = {value.name: value.type.tensor_type for value in values}
    return {name: len(tensor.shape.dim) for name, tensor in tensors.items() if tensor.HasField("shape")}
