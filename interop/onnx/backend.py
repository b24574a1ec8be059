"""xpnn as an ``onnx.backend``, which runs a model's operators one by one.

An operator that corresponds to a layer is run by that layer, built from the given weights, so a test of the operators
tests the layers. The other operators only move or combine values.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from onnx import helper
from onnx.backend.base import Backend as OnnxBackend
from onnx.backend.base import BackendRep, Device, DeviceType, namedtupledict

from ...backend import Array, asarray, name, to_numpy
from .arrays import is_number
from .graph import Graph, all_nodes, chosen, read_graph
from .node import UnsupportedNodeError
from .operators import OPERATORS, run


class Prepared(BackendRep):
    """A model that is ready to run."""

    def __init__(self, graph: Graph) -> None:
        unknown = [node for node in all_nodes(graph.nodes) if node.op not in OPERATORS and node.op != "If"]
        if unknown:
            raise UnsupportedNodeError.of_all(
                [UnsupportedNodeError(node.name, node.op, "operator", "xpnn does not have it") for node in unknown]
            )
        self._graph = graph
        self._constants = _on_backend(graph.constants)

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """The outputs, on the host.

        Args:
            inputs: arrays in the order of the model's inputs, or by name.
            kwargs: ignored.

        Raises:
            UnsupportedNodeError: an operator needs something that xpnn does not have.
            ValueError: an input is missing or has another type, or an operator does not fit its inputs.
        """
        names = self._graph.inputs
        given = inputs if isinstance(inputs, Mapping) else dict(zip(names, inputs, strict=False))
        wrong = given.keys() ^ set(names)
        if wrong or len(given) < len(inputs):
            raise ValueError(f"expected the inputs {names}, got {len(inputs)}; missing or unknown: {sorted(wrong)}")
        values = {**self._constants, **{key: self._input(key, np.asarray(value)) for key, value in given.items()}}
        for node in chosen(self._graph.nodes, values, _on_backend):
            values |= run(node, [values[key] if key else None for key in node.inputs])
        outputs = self._graph.outputs
        return tuple(namedtupledict("Outputs", outputs)(*(_on_host(values[key]) for key in outputs)))

    def _input(self, key: str, value: np.ndarray) -> Array:
        dtype, shape = self._graph.types[key]
        lengths = value.shape if shape is None else shape
        fits = len(lengths) == value.ndim and all(n in (None, m) for n, m in zip(lengths, value.shape, strict=True))
        if value.dtype != dtype or not fits:
            raise ValueError(f"expected {key!r} of {dtype} and shape {shape}, got {value.dtype} and {value.shape}")
        return _to_backend(key, value)


class Backend(OnnxBackend):
    """Runs ONNX models with xpnn, on the device that ``NN_BACKEND`` chose. docs/onnx.md lists the operators.

    >>> from onnx import load
    >>> from xpnn.interop.onnx import Backend, export
    >>> export(MLP((4, 3), rng=0), "model.onnx")
    >>> outputs = Backend.run_model(load("model.onnx"), [np.ones((2, 4), "float32")])
    >>> outputs[0].shape
    (2, 3)
    """

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> Prepared:
        """Make a model ready to run.

        Raises:
            UnsupportedNodeError: the model has an operator or a kind of value that xpnn does not have.
            ValueError: the model is not valid.
        """
        return Prepared(read_graph(lambda: model, "the model"))

    @classmethod
    def run_node(
        cls, node: onnx.NodeProto, inputs: Any, device: str = "CPU", outputs_info: Any = None, **kwargs: Any
    ) -> tuple[Any, ...]:
        """Run one operator on the arrays ``inputs``; errors as for :meth:`prepare`."""
        given = dict(zip(filter(None, node.input), map(np.asarray, inputs), strict=False))
        types = [
            helper.make_tensor_value_info(key, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
            for key, a in given.items()
        ]
        opset = int(kwargs.get("opset_version", onnx.defs.onnx_opset_version()))
        model = helper.make_model(
            helper.make_graph([node], "node", types, []), opset_imports=[helper.make_opsetid("", opset)]
        )
        graph = read_graph(lambda: model, "the node")
        return Prepared(replace(graph, outputs=list(filter(None, node.output)))).run(given)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """CPU if xpnn runs on NumPy, CUDA if it runs on CuPy."""
        wanted = DeviceType.CPU if name == "numpy" else DeviceType.CUDA
        return bool(Device(device).type == wanted)


def _on_backend(constants: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Arrays of numbers as backend arrays; arrays of text, such as the names of classes, stay on the host."""
    return {key: value if value.dtype.kind == "O" else _to_backend(key, value) for key, value in constants.items()}


def _on_host(value: Any) -> Any:
    return value if isinstance(value, list) or value.dtype.kind == "O" else to_numpy(value)


def _to_backend(key: str, value: np.ndarray) -> Array:
    if not is_number(value.dtype):
        raise UnsupportedNodeError(key, "input", "dtype", "xpnn has dense arrays of numbers only", value.dtype.name)
    return asarray(value, value.dtype)
