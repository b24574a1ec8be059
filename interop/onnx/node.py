"""What stands in an ONNX model: its nodes and constant arrays, met at the border."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import onnx
from onnx import numpy_helper


class UnsupportedNodeError(ValueError):
    """A valid ONNX model asks for something that xpnn does not have.

    Attributes:
        node: the node's name.
        op: its operator.
        what: the attribute, input or output in question.
        reason: why it is not supported; docs/onnx.md lists all of them.
    """

    def __init__(self, node: str, op: str, what: str, reason: str, value: Any = None) -> None:
        shown = what if value is None else f"{what}={value!r}"
        super().__init__(f"node {node!r} ({op}): {shown} is not supported: {reason}")
        self.node, self.op, self.what, self.reason = node, op, what, reason


@dataclass(frozen=True)
class Node:
    """One operation of the graph; an empty name among inputs or outputs is one left out."""

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    opset: int
    attributes: dict[str, Any]

    def options(self, **defaults: Any) -> SimpleNamespace:
        """The attributes by name, those left out at the given defaults.

        Raises:
            UnsupportedNodeError: the node has an attribute that is not among them.
        """
        for key, value in self.attributes.items():
            if key not in defaults:
                self.refuse(key, "xpnn does not know this attribute", value)
        return SimpleNamespace(**{**defaults, **self.attributes})

    def refuse(self, what: str, reason: str, value: Any = None) -> NoReturn:
        """Raise UnsupportedNodeError for this node."""
        raise UnsupportedNodeError(self.name, self.op, what, reason, value)


@dataclass(frozen=True)
class Graph:
    """A model's nodes in an order that can be run, and all that they compute with.

    Attributes:
        inputs: what the caller provides, by name: element type and shape, None where a length is free; the shape itself
            is None where the model tells none.
        outputs: the names of the values that the caller gets.
        constants: initialisers and the values of Constant nodes.
        from_xpnn: whether xpnn wrote it, so that node names say where each layer stood.
    """

    inputs: dict[str, tuple[np.dtype, tuple[int | None, ...] | None]]
    outputs: list[str]
    constants: dict[str, np.ndarray]
    nodes: list[Node]
    from_xpnn: bool


def read_graph(model: onnx.ModelProto) -> Graph:
    """The graph of a model that :func:`onnx.checker.check_model` has passed.

    Raises:
        UnsupportedNodeError: a value is no tensor, an operator lies outside the ONNX standard's own domain.
    """
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    graph = model.graph
    for sparse in graph.sparse_initializer:
        raise UnsupportedNodeError(sparse.values.name, "initializer", "sparse tensor", "xpnn has dense arrays only")
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes = []
    for proto in graph.node:
        node = plain_node(proto, opset)
        if node.op == "Constant":
            constants[node.outputs[0]] = _constant(node)
        else:
            nodes.append(node)
    inputs = {value.name: _type(value) for value in graph.input if value.name not in constants}
    return Graph(inputs, [value.name for value in graph.output], constants, nodes, model.producer_name == "xpnn")


def plain_node(proto: onnx.NodeProto, opset: int) -> Node:
    """A node of a model of that opset; one without a name is called by its first output's."""
    if not all(isinstance(text, str) for text in (proto.name, proto.op_type, *proto.input, *proto.output)):
        raise ValueError("a name is no UTF-8 text")  # protobuf hands on such names as bytes
    op = proto.op_type if proto.domain in ("", "ai.onnx") else f"{proto.domain}.{proto.op_type}"
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in proto.attribute}
    attributes = {key: v.decode() if isinstance(v, bytes) else v for key, v in attributes.items()}
    name = proto.name or next(filter(None, proto.output), op)
    return Node(name, op, tuple(proto.input), tuple(proto.output), opset, attributes)


def shortest(value: float) -> float:
    """The decimal number with the fewest digits that float32 rounds to the same value: attributes are float32.

    So a slope of 0.01 comes back as 0.01, and not as 0.009999999776482582.
    """
    return float(str(np.float32(value)))


def _constant(node: Node) -> np.ndarray:
    (kind, value), *_ = node.attributes.items()
    if kind in ("value_float", "value_floats"):
        return np.asarray(value, np.float32)
    if kind in ("value_int", "value_ints"):
        return np.asarray(value, np.int64)
    if kind != "value":
        node.refuse(kind, "xpnn has dense arrays of numbers only")
    return numpy_helper.to_array(value)


def _type(value: onnx.ValueInfoProto) -> tuple[np.dtype, tuple[int | None, ...] | None]:
    if not value.type.HasField("tensor_type"):
        kind = (value.type.WhichOneof("value") or "unknown").removesuffix("_type")
        raise UnsupportedNodeError(value.name, "input", kind, "xpnn's values are arrays")
    tensor = value.type.tensor_type
    shape = tuple(d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim)
    return onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type), shape if tensor.HasField("shape") else None
