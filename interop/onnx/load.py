"""Read ONNX models as xpnn networks."""

import warnings
from dataclasses import replace
from pathlib import Path

import onnx

from ...layers import Layer
from .batch_first import batch_first
from .branches import as_graph, read_all
from .fold import fold
from .graph import Graph, needed, read_graph
from .layer_norms import with_layer_norms
from .modern_readers import product
from .readers import INSIDE, READERS
from .recurrent_rules import as_layers
from .rules import RULES
from .walk import BranchesError, Reader


def load(path: str | Path) -> Layer:
    """The network in an ONNX model, for inference or further training.

    The model must consist of operations for which xpnn has layers. A sequence of them, possibly with residual
    additions, becomes a :class:`Sequential`; other models, such as those with several inputs or outputs, become a
    :class:`Graph`. For files that xpnn wrote, the nesting is restored. The parameters are bit for bit those of the
    file. If two nodes share weights, they become one layer that occurs twice.

    Args:
        path: the file.

    Raises:
        FileNotFoundError: there is no such file.
        UnsupportedNodeError: xpnn has no layer for a node; the message names the node and what is not supported. (A
            ValueError.)
        ValueError: the file is not a valid ONNX model.

    >>> from xpnn.interop import onnx
    >>> onnx.export(Sequential(Dense(4, 3, rng=0), ReLU()), "model.onnx")
    >>> onnx.load("model.onnx")
    Sequential(Dense(4, 3), ReLU())
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}")
    graph = read_graph(lambda: onnx.load(path, format="protobuf"), str(path))
    graph = with_layer_norms(fold(_of_numbers(graph)))
    graph = batch_first(graph, RULES, READERS.keys() | INSIDE)
    graph = _with_inputs_that_count(graph, str(path))
    reader = Reader(replace(graph, nodes=[*as_layers(graph.nodes, graph.outputs)]), READERS, product)
    read = read_all(reader)
    try:
        return reader.network()
    except BranchesError:
        return as_graph(reader, read)


def _with_inputs_that_count(graph: Graph, source: str) -> Graph:
    """The graph without inputs that nothing reads, such as an argument that PyTorch's forward ignores."""
    read = {name for node in graph.nodes for name in node.inputs} | {*graph.outputs}
    unused = [name for name in graph.inputs if name not in read]
    if len(unused) == len(graph.inputs):
        raise ValueError(f"{source} is not a network: its outputs are constants, since it reads no input")
    if unused:
        warnings.warn(
            f"load: nothing in {source} reads {', '.join(unused)}: the network does not take it", stacklevel=3
        )
    return replace(graph, inputs=[name for name in graph.inputs if name in read])


def _of_numbers(graph: Graph) -> Graph:
    """The graph without outputs that are not floating-point values, such as labels, if it has others.

    If a ZipMap turns probabilities into dictionaries, the output is its input.
    """
    maps = {node.outputs[0]: node.inputs[0] for node in graph.nodes if node.op == "ai.onnx.ml.ZipMap"}
    outputs = [maps.get(name, name) for name in graph.outputs]
    kept = [name for name in outputs if name not in graph.types or graph.types[name][0].kind == "f"]
    return replace(graph, outputs=kept or outputs, nodes=needed(graph.nodes, kept or outputs))
