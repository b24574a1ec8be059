"""Fold the nodes that compute constants and shapes, which exporters write for a free batch, before layers are read.

Backend's operators compute them twice: a free axis, such as the batch, has one length in the first trial and another
one in the second. A value that is the same in both is a constant; a value that differs is a shape with a free length,
which the inferred shapes contain.
"""

import math
from collections.abc import Container
from copy import deepcopy
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnx.shape_inference
from onnx import helper, numpy_helper

from ...backend import asarray, to_numpy
from .arrays import ARRAYS, is_number
from .elementwise import ELEMENTWISE
from .graph import Graph, Lengths, Type, chosen, common, type_of
from .layers import ACTIVATION_LAYERS
from .node import Node
from .operators import run

CHEAP = (ELEMENTWISE.keys() | ARRAYS.keys() | {"Gather", "MatMul"}) - ACTIVATION_LAYERS.keys()
"""Operators whose time is proportional to the size of their inputs and outputs."""

GROWING = {"ConstantOfShape", "Expand", "Pad", "Range", "Tile"}
"""Operators whose outputs may be large although their inputs are small."""

ROUNDS = 4
"""The number of times that shapes are inferred: each time with the shapes found the time before."""

SMALL = 2**10


@dataclass
class Trial:
    """The values that do not depend on the inputs' elements, and all shapes, for some lengths of the free axes."""

    batch: int
    others: int
    values: dict[str, np.ndarray] = field(default_factory=dict)
    types: dict[str, Type] = field(default_factory=dict)

    def shape(self, key: str) -> Lengths | None:
        """The shape of a value; None unless it is known in full."""
        found = self.types.get(key, (None, None))[1]
        return None if found is None or None in found else tuple(n for n in found if n is not None)


def fold(graph: Graph) -> Graph:
    """The graph without the nodes that compute constants and shapes."""
    graph = replace(graph, model=_without_weights(graph))
    trials = Trial(101, 224), Trial(3, 160)
    for trial in trials:
        _try(graph, trial)
    first, second = trials
    if not (first.types and second.types):  # the model does not take one of the lengths
        return graph
    both = first.values.keys() & second.values.keys()
    alike = {key: _common_value(first.values[key], second.values[key]) for key in both}
    constants = {key: value for key, value in alike.items() if value is not None}
    nodes = [node for node in chosen(graph.nodes, constants) if not _is_known(node, both)]
    types = {key: _common_type(type_, second.types.get(key)) for key, type_ in first.types.items()}
    shapes = [{key: full for key in trial.types if (full := trial.shape(key)) is not None} for trial in trials]
    sizes = {key: (shapes[0][key], shapes[1][key]) for key in shapes[0].keys() & shapes[1].keys()}
    sizes |= {key: (value.shape, value.shape) for key, value in constants.items()}
    return replace(
        graph,
        nodes=nodes,
        types={**types, **{key: graph.types[key] for key in graph.inputs}},
        constants=constants,
        sizes=sizes,
    )


def _without_weights(graph: Graph) -> onnx.ModelProto:
    """The model with its inputs only, to which each inference adds nodes."""
    model = onnx.ModelProto(ir_version=graph.model.ir_version, opset_import=graph.model.opset_import)
    model.ir_version = max(model.ir_version, 4)  # before 4, each constant must be among the inputs
    model.graph.input.extend(value for value in graph.model.graph.input if value.name in graph.inputs)
    return model


def _try(graph: Graph, trial: Trial) -> None:
    trial.values |= graph.constants
    budget = 2**24 + 2 * sum(value.nbytes for value in graph.constants.values())
    for _ in range(ROUNDS):
        trial.types, before, unknown = _inferred(graph, trial), len(trial.values), False
        for node in chosen(graph.nodes, trial.values):
            if _is_known(node, trial.values):
                continue
            given = [_given(node, key, trial) for key in node.inputs]
            if _foldable(node, given, trial, budget):
                outputs = {key: to_numpy(value) for key, value in run(node, given).items()}
                budget -= sum(value.nbytes for value in outputs.values())
                trial.values |= outputs
            elif any(trial.shape(key) is None for key in node.outputs if key):
                unknown = True
        if len(trial.values) == before or not unknown or not trial.types:
            break
    if trial.types:
        trial.types |= {key: (value.dtype, value.shape) for key, value in trial.values.items()}


def _is_known(node: Node, values: Container[str]) -> bool:
    return all(key in values for key in node.outputs if key)


def _given(node: Node, key: str, trial: Trial) -> Any:
    """An input's value on the backend; for a Shape, any array of that shape; None if it is omitted or unknown."""
    value = trial.values.get(key)
    if value is not None:
        return asarray(value, value.dtype) if is_number(value.dtype) else None
    shape = trial.shape(key)
    if node.op not in ("Shape", "Size") or shape is None:
        return None
    return SimpleNamespace(shape=shape, size=math.prod(shape))


def _foldable(node: Node, given: list[Any], trial: Trial, budget: int) -> bool:
    if node.op not in CHEAP or any(value is None for key, value in zip(node.inputs, given, strict=True) if key):
        return False
    if not given or given[0] is None or (node.op == "Transpose" and given[0].ndim == 2 and given[0].dtype.kind == "f"):
        return False  # so that nodes that share W, one of them through W^T, still share it
    shapes = [trial.shape(key) for key in node.outputs if key]
    if node.op == "MatMul" and given[0].size * given[1].shape[-1] > 2**24:
        return False
    if None in shapes:
        return node.op not in GROWING and math.prod(value.size for value in given if value is not None) <= 2**16
    return 8 * sum(math.prod(shape) for shape in shapes if shape) <= budget


def _inferred(graph: Graph, trial: Trial) -> dict[str, Type]:
    """The type of each value; empty if the model does not take these lengths."""
    model, lengths = deepcopy(graph.model), dict[str, int]()
    proto = model.graph
    for value in proto.input:
        for axis, d in enumerate(value.type.tensor_type.shape.dim):
            if not d.HasField("dim_value") or d.dim_value < 0:
                usual = trial.batch if axis == 0 else trial.others + 32 * len(lengths)
                d.dim_value = lengths.setdefault(d.dim_param or f"{value.name}/{axis}", usual)
    for key, array in trial.values.items():
        if array.size < SMALL:
            proto.initializer.append(numpy_helper.from_array(np.asarray(array), key))
        else:
            kind = helper.np_dtype_to_tensor_dtype(array.dtype)
            proto.input.append(helper.make_tensor_value_info(key, kind, array.shape))
    left = (node for node in chosen(graph.nodes, trial.values) if trial.values.keys().isdisjoint(node.outputs))
    proto.node.extend(node.proto for node in left)
    try:
        inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True).graph
    except Exception:  # onnx raises classes that are private to it
        return {}
    values = [*inferred.input, *inferred.value_info]
    return {value.name: type_of(value) for value in values if value.type.WhichOneof("value") == "tensor_type"}


def _common_value(a: np.ndarray, b: np.ndarray) -> np.ndarray | None:
    """The common value of both; if values do not change along a free axis, with length 1 there. None if they differ."""
    if a.shape != b.shape and a.dtype.kind == "f" and a.ndim == b.ndim:
        first = a[tuple(slice(None) if n == m else slice(1) for n, m in zip(a.shape, b.shape, strict=True))]
        same = all(np.array_equal(np.broadcast_to(first, each.shape), each) for each in (a, b))
        return first if same else None
    return a if (a.dtype, a.shape) == (b.dtype, b.shape) and a.tobytes() == b.tobytes() else None


def _common_type(a: Type, b: Type | None) -> Type:
    """The common type, with None for each length that differs and so is free."""
    dtype, shape = a
    other = None if b is None else b[1]
    if shape is None or other is None or len(shape) != len(other):
        return dtype, None
    return dtype, common(shape, other)
