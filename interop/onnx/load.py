"""Read ONNX models as xpnn networks."""

from pathlib import Path

import onnx

from ...layers import Layer
from .batch_first import batch_first
from .branches import as_graph, read_all
from .fold import fold
from .graph import read_graph
from .readers import JOINED, READERS
from .rules import RULES
from .walk import BranchesError, Reader


def load(path: str | Path) -> Layer:
    """The network in an ONNX model, for inference or further training.

    The model must consist of operations for which xpnn has layers. In a row, possibly with residual additions, they
    become one :class:`Sequential`, else, and with several inputs or outputs, a :class:`Graph`. For files that xpnn
    wrote, the nesting is restored. The parameters are bit for bit those of the file. Weights that two nodes share
    become one layer that occurs twice.

    Args:
        path: of the file.

    Raises:
        FileNotFoundError: there is no such file.
        UnsupportedNodeError: xpnn has no layer for a node; the message names the node and what is not supported. (A
            ValueError.)
        ValueError: the file is not a valid ONNX model.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}")
    graph = read_graph(lambda: onnx.load(path, format="protobuf"), str(path))
    reader = Reader(batch_first(fold(graph), RULES), READERS, JOINED)
    read = read_all(reader)
    try:
        return reader.network()
    except BranchesError:
        return as_graph(reader, read)
