"""An ONNX model's nodes, constant arrays and types, checked."""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import onnx
import onnx.checker
import onnx.shape_inference
from onnx import numpy_helper

from .node import Node, UnsupportedNodeError, read_node

OPSET = min(28, onnx.defs.onnx_opset_version())
"""The newest opset whose operators the tests compare and the onnx package knows."""

Lengths: TypeAlias = tuple[int, ...]

Type: TypeAlias = tuple[np.dtype, tuple[int | None, ...] | None]
"""Dtype and shape of a value; a free axis is None, and so is an unknown shape."""


@dataclass(frozen=True)
class Graph:
    """A model's nodes in topological order, and the constants that they read.

    Attributes:
        inputs, outputs: the names of the inputs and outputs.
        types: the type of each value for which the model or shape inference gives one.
        constants: initialisers and the values of Constant nodes; after :mod:`fold`, all constant values.
        from_xpnn: whether xpnn wrote the file, so that node names contain the layers' paths.
        model: the file's content, checked, without functions.
        sizes: the shape of each value for two lengths of each free axis, as found by :mod:`fold`.
    """

    inputs: list[str]
    outputs: list[str]
    types: dict[str, Type]
    constants: dict[str, np.ndarray]
    nodes: list[Node]
    from_xpnn: bool
    model: onnx.ModelProto
    sizes: dict[str, tuple[Lengths, Lengths]] = field(default_factory=dict)


class Branch(NamedTuple):
    """A branch of an If: nodes, which may read values of the surrounding graph, and the branch's own constants."""

    nodes: list[Node]
    constants: dict[str, np.ndarray]
    outputs: list[str]


def all_nodes(nodes: Sequence[Node]) -> Iterator[Node]:
    """The nodes, and the nodes of their branches."""
    for node in nodes:
        yield node
        for value in node.attributes.values():
            if isinstance(value, Branch):
                yield from all_nodes(value.nodes)


def chosen(
    nodes: Sequence[Node], values: dict[str, Any], placed: Callable[[dict[str, np.ndarray]], dict[str, Any]] = dict
) -> Iterator[Node]:
    """The nodes, with each If whose condition is known replaced by its branch, whose constants are added to the values.

    Args:
        nodes: the nodes in order.
        values: the values that are known when a node is reached.
        placed: a function that brings constants to the values' side (host or device).
    """
    for node in nodes:
        condition = values.get(node.inputs[0]) if node.op == "If" else None
        if condition is None:
            yield node
        else:
            branch: Branch = node.attributes["then_branch" if condition.all() else "else_branch"]
            values |= placed(branch.constants)
            yield from chosen(branch.nodes, values, placed)
            for inner, outer in zip(branch.outputs, node.outputs, strict=True):
                proto = onnx.helper.make_node("Identity", [inner], [outer])
                yield Node(node.name, "Identity", (inner,), (outer,), node.opset, {}, proto)


def needed(nodes: Sequence[Node], outputs: Sequence[str]) -> list[Node]:
    """The nodes on which the outputs depend."""
    read, found = set(outputs), list[Node]()
    for node in reversed(nodes):
        if not read.isdisjoint(node.outputs):
            read.update(name for each in all_nodes([node]) for name in each.inputs)
            found.append(node)
    return found[::-1]


def common(a: Sequence[int | None], b: Sequence[int | None]) -> tuple[int | None, ...]:
    """The lengths that two shapes share, with None for each that differs and so is free."""
    return tuple(n if n == m else None for n, m in zip(a, b, strict=True))


def read_graph(parse: Callable[[], onnx.ModelProto], source: str) -> Graph:
    """The graph of the model that ``parse`` returns; ``source`` names it in errors.

    Raises:
        UnsupportedNodeError: a value is not a dense tensor, or xpnn does not support the opset or a function.
        ValueError: the model is not valid.
    """
    try:
        return _graph(parse())
    except UnsupportedNodeError:
        raise
    except Exception as error:  # parser, checker and inference raise various classes, some of them private
        raise ValueError(f"{source} is not a valid ONNX model ({' '.join(str(error).split())})") from error


def _graph(model: onnx.ModelProto) -> Graph:
    opsets = {entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")}
    opset = max(opsets, default=OPSET)
    every = {entry.domain: entry.version for entry in model.opset_import} | {"": opset}
    if len(opsets) > 1 or not 1 <= opset <= OPSET:
        raise UnsupportedNodeError("model", "opset_import", "version", f"xpnn reads one, from 1 to {OPSET}", [*opsets])
    model = _without_functions(model)
    onnx.checker.check_model(model)
    model = _with_unique_names(model)
    graph = _inferred(model).graph
    for sparse in graph.sparse_initializer:
        raise UnsupportedNodeError(sparse.values.name, "initializer", "sparse tensor", "xpnn has dense arrays only")
    constants: dict[str, np.ndarray] = {}
    nodes = _read(graph, every, constants)
    inputs = [value for value in graph.input if value.name not in constants]
    tensors = [v for v in [*graph.value_info, *graph.output] if v.type.WhichOneof("value") == "tensor_type"]
    types = {value.name: type_of(value) for value in [*inputs, *tensors]}
    names = [v.name for v in inputs], [v.name for v in graph.output]
    return Graph(*names, types, constants, nodes, model.producer_name == "xpnn", model)


def _with_unique_names(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with a unique name for each value: branches may repeat names, but their nodes will form one sequence.

    The values of the graph itself keep their names.
    """
    if not any(node.op_type == "If" for node in model.graph.node):
        return model
    model = deepcopy(model)
    _rename(model.graph, {}, {*_values(model.graph), *(value.name for value in model.graph.input)})
    return model


def _rename(graph: onnx.GraphProto, names: dict[str, str], taken: set[str]) -> None:
    """Give values their new names, and those of branches names that are not taken."""
    for tensor in (*graph.initializer, *graph.output, *graph.value_info):
        tensor.name = names.get(tensor.name, tensor.name)
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
        for inner in (attribute.g for attribute in node.attribute if attribute.HasField("g")):
            own = dict(names)
            for name in _values(inner) if node.op_type == "If" else ():
                own[name] = next(new for i in count(len(taken)) if (new := f"{name}.{i}") not in taken)
                taken.add(own[name])
            _rename(inner, own, taken)


def _values(graph: onnx.GraphProto) -> list[str]:
    """The names of the values that a graph defines."""
    outputs = (name for node in graph.node for name in node.output if name)
    return [*(tensor.name for tensor in graph.initializer), *outputs]


def _inferred(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with inferred shapes; where an output declares another shape, that of its node, as in onnxruntime."""
    infer = partial(onnx.shape_inference.infer_shapes, check_type=True, strict_mode=True)
    try:
        return infer(model)
    except onnx.shape_inference.InferenceError:
        undeclared = deepcopy(model)
        for value in undeclared.graph.output:  # skl2onnx declares several labels per sample as one
            if value.type.HasField("tensor_type"):
                value.type.tensor_type.ClearField("shape")
        return infer(undeclared)


def _read(graph: onnx.GraphProto, opsets: dict[str, int], constants: dict[str, np.ndarray]) -> list[Node]:
    """The nodes; Constant nodes are added to the constants, and an If's branches become Branch objects."""
    constants.update({tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer})
    nodes = []
    for node in (read_node(proto, opsets) for proto in graph.node):
        if node.op == "Constant":
            constants[node.outputs[0]] = _constant(node)
        else:
            nodes.append(node)
        for key, value in node.attributes.items():
            if isinstance(value, onnx.GraphProto):
                own: dict[str, np.ndarray] = {}
                node.attributes[key] = Branch(_read(value, opsets, own), own, [v.name for v in value.output])
    return nodes


def _without_functions(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without its functions; a node that calls one then has an operator that xpnn does not know.

    The checker would expand them first, and the expansion may be exponentially larger than the file.
    """
    for function in model.functions:
        if function.domain in ("", "ai.onnx"):
            raise UnsupportedNodeError(function.name, "function", "domain", "it would replace one of ONNX's operators")
    if model.functions:
        model = deepcopy(model)
        del model.functions[:]
    return model


def _constant(node: Node) -> np.ndarray:
    (kind, value), *_ = node.attributes.items()
    if kind in ("value_float", "value_floats"):
        return np.asarray(value, np.float32)
    if kind in ("value_int", "value_ints"):
        return np.asarray(value, np.int64)
    if kind != "value":
        node.refuse(kind, "xpnn has dense arrays of numbers only")
    return numpy_helper.to_array(value)


def type_of(value: onnx.ValueInfoProto) -> Type:
    if not value.type.HasField("tensor_type"):
        kind = (value.type.WhichOneof("value") or "unknown").removesuffix("_type")
        raise UnsupportedNodeError(value.name, "input", kind, "xpnn's values are arrays")
    tensor = value.type.tensor_type
    shape = tuple(d.dim_value if d.HasField("dim_value") and d.dim_value >= 0 else None for d in tensor.shape.dim)
    return onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type), shape if tensor.HasField("shape") else None
