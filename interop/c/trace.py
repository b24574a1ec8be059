"""Turn a network into a list of calls of C functions."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from ...backend import Array, to_numpy
from ...layers import Add, Layer, Residual
from ...layers.base import of_several, several
from ...models import Graph, Sequential
from ...models.graph import values_of
from .int8 import by_channel, rounded


@dataclass(eq=False)
class Buffer:
    """The memory of a value: in the workspace, or at a pointer from the caller (``place``)."""

    name: str
    size: int
    place: str = ""


@dataclass(eq=False)
class Value:
    """A layer's output: for one sample, as an array of shape (1, ...), and its buffer in C."""

    array: Array
    buffer: Buffer

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return self.array.shape[1:]

    @property
    def size(self) -> int:
        return self.array.size

    def split(self, axis: int) -> tuple[int, int]:
        """The number of elements of the axes before this one, and of this axis with those after it."""
        behind = int(np.prod(self.shape[axis:]))
        return self.size // behind, behind


@dataclass(eq=False)
class Call:
    """A call of a C function. Its arguments may be buffers or (buffer, offset).

    Attributes:
        over: the buffers that it may overwrite with its result, ``into``, if nothing reads them afterwards.
    """

    function: str
    arguments: tuple[Any, ...]
    remark: str = ""
    into: Buffer | None = None
    over: tuple[Buffer, ...] = ()

    @property
    def buffers(self) -> list[Buffer]:
        """All buffers that the call reads or writes."""
        each = (one[0] if isinstance(one, tuple) else one for one in self.arguments)
        return [one for one in each if isinstance(one, Buffer)]


@dataclass
class Constants:
    """The arrays of a file by name, and all names; with ``int8``, weights are int8 with a scale for each channel."""

    int8: bool = False
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    names: dict[tuple[str, str], str] = field(default_factory=dict)

    def name(self, path: str, what: str) -> str:
        """A unique C name for ``what`` of the layer at this path; repeated calls return the same name."""
        if (path, what) not in self.names:
            name = re.sub(r"\W", "_", path or "net", flags=re.ASCII) + f"_{what}"
            name = f"layer{name}" if name[0].isdigit() else name
            while name in self.names.values():
                name += "_"
            self.names[path, what] = name
        return self.names[path, what]

    def add(self, name: str, array: Any) -> str:
        values = to_numpy(array)
        with np.errstate(over="ignore"):  # infinity is reported by Code.not_finite
            self.arrays[name] = np.ascontiguousarray(values, None if values.dtype == "int8" else "float32")
        return name

    def weights(self, name: str, channels: np.ndarray, packed: Callable[[np.ndarray], np.ndarray]) -> tuple[str, str]:
        """The names of W and of its scales ("0" for none).

        Args:
            channels: W as (output channels, ...).
            packed: a function that puts W into the order in which the C function reads it.
        """
        if not self.int8:
            return self.add(name, packed(channels)), "0"
        q, scale = rounded(channels)
        return self.add(name, packed(q)), self.add(f"{name}_scale", scale)


Writer: TypeAlias = Callable[["Trace", Any, Any, Any], None] | None
"""Adds the calls of a layer from the value x, or a tuple of values, to y; None if y is x."""


class Trace:
    """Follows a sample through a network and records the calls that compute the same.

    Args:
        model: the network.
        constants: the constants, to which the arrays are added.
        writers: for each layer, the function that adds its calls.
        step: whether recurrent layers continue from the caller's ``state``, rather than begin a sequence.

    Attributes:
        calls: the calls in order.
        refused: the paths and layers for which there is no writer.
        state: the number of elements of the state.
        starts: the offset in the state of each learned component, with its array and size.
    """

    def __init__(self, model: Layer, constants: Constants, writers: dict[type[Layer], Writer], step: bool) -> None:
        self.calls: list[Call] = []
        self.refused: dict[str, Layer] = {}
        self.constants, self.step, self.state = constants, step, 0
        self.starts: dict[int, tuple[str | None, int]] = {}
        self._writers, self._path, self._remark = writers, "", ""
        self._owners = {id(leaf): path for path, leaf in model.leaves()}

    def run(self, model: Layer, inputs: tuple[Value, ...]) -> list[Value]:
        """The outputs, at the pointers y, or y1, y2, ..."""
        values = several(self.layer(model, "", inputs if model.joins else inputs[0]))
        outputs: list[Value] = []
        for value, place in zip(values, numbered("y", len(values)), strict=True):
            taken = [one.buffer for one in (*inputs, *outputs)]
            if value.buffer in taken:  # an input, or another output, through layers that change nothing
                source, value = value, Value(value.array, Buffer(place, value.size))
                self.call("Copy", source, value, 1, value.size, value.size)
            value.buffer.place = place
            outputs.append(value)
        return outputs

    def layer(self, layer: Layer, path: str, x: Any) -> Any:
        """Follow the layer at this path, which reads x, a value or a tuple of values; returns its output likewise."""
        below = f"{path}." if path else ""
        forward = type(layer).forward
        if isinstance(layer, Sequential) and forward is Sequential.forward:
            for index, child in enumerate(layer.layers):
                x = self.layer(child, f"{below}{index}", x)
            return x
        if isinstance(layer, Graph) and forward is Graph.forward:
            values = dict(zip(layer.inputs, several(x), strict=True))
            for name, (child, *reads) in layer.nodes.items():
                read = tuple(values[one] for one in reads)
                values |= values_of(name, child, self.layer(child, f"{below}{name}", read if child.joins else read[0]))
            return of_several([values[name] for name in layer.outputs])
        if type(layer) is Residual:
            body = self.layer(layer.body, f"{below}body", x)
            shortcut = x if layer.shortcut is None else self.layer(layer.shortcut, f"{below}shortcut", x)
            return self._leaf(Add(), path, (body, shortcut))
        return self._leaf(layer, path, x)

    def _leaf(self, layer: Layer, path: str, x: Any) -> Any:
        read: Any = tuple(value.array for value in x) if layer.joins else x.array
        arrays = zip(("out", *layer.gives), several(layer(read)), strict=True)
        y: Any = of_several([Value(a, Buffer(self.constants.name(path, what), a.size)) for what, a in arrays])
        shapes = (", ".join(str(value.shape) for value in several(values)) for values in (x, y))
        self._path, self._remark = path, f"{path} {layer}: {' -> '.join(shapes)}".lstrip()
        if type(layer) not in self._writers:
            self.refused[path] = layer
        elif write := self._writers[type(layer)]:
            write(self, layer, x, y)
        else:
            y.buffer = x.buffer
        return y

    def call(self, function: str, *arguments: Any, over: tuple[Value, ...] = (), into: Value | None = None) -> None:
        """Add a call. Values are passed as their buffers.

        Args:
            arguments: numbers, C code, values, buffers, (value, offset); None for the null pointer.
            over, into: as for :class:`Call`.
        """
        plain = tuple(_argument(one) for one in arguments)
        self.calls.append(
            Call(function, plain, self._remark, into.buffer if into else None, tuple(v.buffer for v in over))
        )
        self._remark = ""

    def scratch(self, size: int, what: str = "work") -> Buffer:
        """A scratch buffer for the layer."""
        return Buffer(self.constants.name(self._path, what), size)

    def array(self, layer: Layer, key: str, value: Any = None) -> str | None:
        """The name of the layer's parameter or buffer ``key``, or of ``value`` in its place; None if there is none."""
        if value is None:
            value = layer.params.get(key, layer.buffers.get(key))
        return None if value is None else self.constants.add(self._name(layer, key), value)

    def weights(self, layer: Layer, key: str, packed: Callable[[np.ndarray], np.ndarray]) -> tuple[str, str]:
        """The names of the layer's matrix or kernels, in the C function's order, and of its scales."""
        return self.constants.weights(self._name(layer, key), by_channel(layer, key), packed)

    def _name(self, layer: Layer, key: str) -> str:
        return self.constants.name(self._owners.get(id(layer), self._path), key)


def _argument(one: Any) -> Any:
    if isinstance(one, tuple):
        return _argument(one[0]), one[1]
    return one.buffer if isinstance(one, Value) else "0" if one is None else one


def numbered(name: str, count: int) -> list[str]:
    """The name itself, or for several, names numbered from 1."""
    return [name] if count == 1 else [f"{name}{index}" for index in range(1, count + 1)]
