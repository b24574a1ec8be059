"""Read ONNX models as xpnn networks."""

from pathlib import Path

import onnx

from ...layers import Layer
from .graph import read_graph
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
    return Reader(read_graph(lambda: onnx.load(path, format="protobuf"), str(path)), READERS).network()
