"""xpnn as a backend in the sense of ``onnx.backend``, which runs a model's operators one by one.

An operator that corresponds to a layer runs by that layer, built from the given weights, so a test of the operators
tests the layers. The other operators only move or combine values.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx.backend.base import Backend as OnnxBackend
from onnx.backend.base import BackendRep, Device, DeviceType, namedtupledict

from ...backend import Array, asarray, name, to_numpy
from .node import Graph, Node, plain_node, read_graph
from .operators import OPERATORS


class Prepared(BackendRep):
    """A model that is ready to run."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._constants = {key: asarray(value, value.dtype) for key, value in graph.constants.items()}

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """The outputs, on the host.

        Args:
            inputs: arrays in the order of the model's inputs, or by name.
            kwargs: ignored.

        Raises:
            UnsupportedNodeError: an operator needs something that xpnn does not have.
            ValueError: an input is missing, or an operator does not fit its inputs.
        """
        names = list(self._graph.inputs)
        given = inputs if isinstance(inputs, Mapping) else dict(zip(names, inputs, strict=False))
        missing = [key for key in names if key not in given]
        if missing:
            raise ValueError(f"expected the inputs {names}, got none for {missing}")
        values = dict(self._constants)
        values |= {key: _to_backend(given[key]) for key in names}
        for node in self._graph.nodes:
            values |= _run(node, [values[key] if key else None for key in node.inputs])
        outputs = self._graph.outputs
        return tuple(namedtupledict("Outputs", outputs)(*(to_numpy(values[key]) for key in outputs)))


class Backend(OnnxBackend):
    """Runs ONNX models with xpnn, on the device that ``NN_BACKEND`` chose. docs/onnx.md lists the operators."""

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> Prepared:
        """Make a model ready to run.

        Raises:
            UnsupportedNodeError: it has an operator or a kind of value that xpnn does not have.
            onnx.checker.ValidationError: it is not a valid model.
        """
        super().prepare(model, device, **kwargs)
        graph = read_graph(model)
        for node in graph.nodes:
            if node.op not in OPERATORS:
                node.refuse("operator", "xpnn does not have it")
        return Prepared(graph)

    @classmethod
    def run_node(
        cls, node: onnx.NodeProto, inputs: Any, device: str = "CPU", outputs_info: Any = None, **kwargs: Any
    ) -> tuple[Any, ...]:
        """Run one operator on the arrays ``inputs``; errors as for :meth:`prepare` and :meth:`Prepared.run`."""
        super().run_node(node, inputs, device, outputs_info, **kwargs)
        read = plain_node(node, int(kwargs.get("opset_version", onnx.defs.onnx_opset_version())))
        if read.op not in OPERATORS:
            read.refuse("operator", "xpnn does not have it")
        values = _run(read, [_to_backend(value) for value in inputs])
        return tuple(to_numpy(values[key]) for key in read.outputs if key)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """CPU if xpnn runs on NumPy, CUDA if it runs on CuPy."""
        wanted = DeviceType.CPU if name == "numpy" else DeviceType.CUDA
        return bool(Device(device).type == wanted)


def _to_backend(value: Any) -> Array:
    array = np.asarray(value)
    return asarray(array, array.dtype)


def _run(node: Node, inputs: Sequence[Array | None]) -> dict[str, Array]:
    """The outputs of one node by name."""
    results = OPERATORS[node.op](node, *inputs)
    outputs = results if isinstance(results, tuple) else (results,)
    if len(node.outputs) > len(outputs):
        node.refuse("output", "xpnn gives fewer", list(node.outputs))
    return {key: value for key, value in zip(node.outputs, outputs, strict=False) if key}
