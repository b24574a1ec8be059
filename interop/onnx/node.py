"""The nodes and constant arrays of an ONNX model, validated."""

from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import onnx
from onnx import numpy_helper


class UnsupportedNodeError(ValueError):
    """A valid ONNX model needs something that xpnn does not have.

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
    """One operation of the graph; an empty name among inputs or outputs stands for an omitted one."""

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    opset: int
    attributes: dict[str, Any]

    def options(self, *known: str) -> SimpleNamespace:
        """The attributes of these names: as the node gives them, else the operator's default, else None.

        Raises:
            UnsupportedNodeError: the node has another attribute.
        """
        for key, value in self.attributes.items():
            if key not in known:
                self.refuse(key, "xpnn does not know this attribute", value)
        return SimpleNamespace(**{**dict.fromkeys(known), **_defaults(self.op, self.opset), **self.attributes})

    def refuse(self, what: str, reason: str, value: Any = None) -> NoReturn:
        """Raise UnsupportedNodeError for this node."""
        raise UnsupportedNodeError(self.name, self.op, what, reason, value)


@dataclass(frozen=True)
class Graph:
    """A model's nodes in topological order, and the constants that they read.

    Attributes:
        inputs: dtype and shape of each input, by name; a free axis is None, and so is an unknown shape.
        outputs: the names of the outputs.
        constants: initialisers and the values of Constant nodes.
        from_xpnn: whether xpnn wrote the file, so that node names contain the layers' paths.
    """

    inputs: dict[str, tuple[np.dtype, tuple[int | None, ...] | None]]
    outputs: list[str]
    constants: dict[str, np.ndarray]
    nodes: list[Node]
    from_xpnn: bool


def read_graph(model: onnx.ModelProto) -> Graph:
    """The graph of a model that :func:`onnx.checker.check_model` has passed.

    Raises:
        UnsupportedNodeError: a value is not a dense tensor.
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
    """A node of a model of this opset; one without a name gets that of its first output."""
    if not all(isinstance(text, str) for text in (proto.name, proto.op_type, *proto.input, *proto.output)):
        raise ValueError("a name is no UTF-8 text")  # protobuf returns such names as bytes
    op = proto.op_type if proto.domain in ("", "ai.onnx") else f"{proto.domain}.{proto.op_type}"
    attributes = {a.name: _plain_value(a) for a in proto.attribute}
    name = proto.name or next(filter(None, proto.output), op)
    return Node(name, op, tuple(proto.input), tuple(proto.output), opset, attributes)


def _plain_value(attribute: onnx.AttributeProto) -> Any:
    value = onnx.helper.get_attribute_value(attribute)
    return value.decode() if isinstance(value, bytes) else value


@lru_cache
def _defaults(op: str, opset: int) -> dict[str, Any]:
    """The values that omitted attributes have by the operator's definition in this opset."""
    attributes = onnx.defs.get_schema(op, opset, "").attributes.values()
    return {a.name: _plain_value(a.default_value) for a in attributes if a.default_value.name}


def shortest(value: float) -> float:
    """The shortest decimal number that float32 rounds to the same value, since attributes are float32.

    A slope of 0.01 is thus restored as 0.01, not as 0.009999999776482582.
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
