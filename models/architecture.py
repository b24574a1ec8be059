"""Write a network's architecture as JSON values and build the network from them: layers by name, and no code.

A JSON object stands for a layer, ``{"class": "Dense", "in_features": 3, ...}``, with its :meth:`Layer.settings` and its
dtype. If a layer occurs again, ``{"same": k}`` stands for the k-th completed layer. ``{"items": ...}`` stands for a
dict, ``{"array": shape}`` for an array of the file, ``{"number": "inf"}`` for a number that JSON lacks.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from .. import layers
from ..layers import Layer
from ..layers.conv import Convolution
from ..layers.recurrent import Recurrent
from ..layers.settings import constructor
from .graph import Graph
from .lenet5 import LeNet5
from .mlp import MLP
from .recurrent import CharRNN, RNNClassifier
from .sequential import Sequential

MOST = 10_000
"""The most layers in a network, repetitions counted: otherwise a few bytes could describe any number of layers."""

_MODELS = (MLP, CharRNN, Graph, LeNet5, RNNClassifier, Sequential)
_LAYERS = [value for value in vars(layers).values() if isinstance(value, type) and issubclass(value, Layer)]
KINDS: dict[str, type[Layer]] = {
    kind.__name__: kind for kind in (*_MODELS, *_LAYERS) if kind not in (Layer, layers.Composite)
}


class ArchitectureError(ValueError):
    """No network can be built from the architecture."""


def architecture(model: Layer) -> Any:
    """A network's architecture as JSON values; for a layer that JSON cannot hold, the reason."""
    return _Writer().value(model)


class _Writer:
    def __init__(self) -> None:
        self.ended: dict[int, int] = {}

    def value(self, value: Any) -> Any:
        if isinstance(value, Layer):
            return self._layer(value)
        if isinstance(value, Mapping):
            return {"items": [[self.value(key), self.value(one)] for key, one in value.items()]}
        if isinstance(value, (list, tuple)):
            return [self.value(one) for one in value]
        if getattr(value, "ndim", 0):
            return {"array": list(value.shape)}
        value = value.item() if isinstance(value, np.generic) else value
        if isinstance(value, float) and not math.isfinite(value):
            return {"number": str(value)}
        if value is None or isinstance(value, bool | int | float | str):
            return value
        raise TypeError(f"JSON does not hold {value!r}")

    def _layer(self, layer: Layer) -> Any:
        if id(layer) in self.ended:
            return {"same": self.ended[id(layer)]}
        kind = _kind(layer)
        name = kind.__name__ if KINDS.get(kind.__name__) is kind else f"{kind.__module__}.{kind.__qualname__}"
        arrays = [] if isinstance(layer, layers.Composite) else [*layer.params.values(), *layer.buffers.values()]
        dtype = {"dtype": str(arrays[0].dtype)} if arrays and "dtype" in constructor(kind) else {}
        try:
            written = {"class": name, **{key: self.value(one) for key, one in layer.settings().items()}, **dtype}
        except (AttributeError, TypeError) as error:
            written = {"class": name, "lacks settings": str(error)}
        self.ended[id(layer)] = len(self.ended)
        return written


def _kind(layer: Layer) -> type[Layer]:
    """The layer's class; for a class that only adds a constructor to a network of xpnn's, that network's class."""
    known = (kind for kind in type(layer).__mro__ if kind in KINDS.values() and issubclass(kind, Sequential | Graph))
    kind = next(known, type(layer))
    same = all(getattr(type(layer), name) is getattr(kind, name) for name in ("forward", "__call__", "children"))
    return kind if same else type(layer)


def built(written: Any, elements: int, own: Iterable[type[Layer]] = ()) -> Layer:
    """Build the network of an architecture, with initial parameters.

    Args:
        written: the result of :func:`architecture`, or a stranger's imitation.
        elements: the total number of elements in the file's arrays; the network gets no more.
        own: the user's classes that the architecture may name.

    Raises:
        ArchitectureError: no network can be built from the architecture.
    """
    reader = _Reader(elements, {kind.__name__: kind for kind in own})
    try:
        model = reader.value(written)
    except ArchitectureError:
        raise
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise ArchitectureError(f"{type(error).__name__}: {error}") from error
    if not isinstance(model, Layer):
        raise ArchitectureError(f"expected a layer, got {type(model).__name__}")
    return model


class _Reader:
    def __init__(self, elements: int, own: Mapping[str, type[Layer]]) -> None:
        self.left, self.own = elements, own
        self.ended: list[tuple[Layer, int]] = []  # each with the number of layers in it

    def value(self, written: Any) -> Any:
        return self._read(written)[0]

    def _read(self, written: Any) -> tuple[Any, int]:
        """The value, and how many layers are in it."""
        if isinstance(written, list):
            read = [self._read(one) for one in written]
            return tuple(value for value, _ in read), sum(count for _, count in read)
        if not isinstance(written, dict):
            return written, 0
        if "class" in written:
            return self._layer(**written)
        if "same" in written:
            return self.ended[abs(written["same"])]
        if "items" in written:
            pairs, count = self._read(written["items"])
            return dict(pairs), count
        if "array" in written:
            if _product(*(max(1, length) for length in written["array"])) > self.left:
                raise ArchitectureError("an array would have more elements than the file")
            return np.broadcast_to(np.float32(0), written["array"]), 0  # takes no memory
        return float(written["number"]), 0

    def _layer(self, **written: Any) -> tuple[Layer, int]:
        name = str(written.pop("class"))
        kind = KINDS.get(name) or self.own.get(name.rpartition(".")[2])
        if kind is None:
            raise ArchitectureError(
                f"it has a {name}, which is not a layer of xpnn: pass such classes of your own in layers=[...]"
            )
        if "lacks settings" in written:
            raise ArchitectureError(
                f"the settings of a {name} are not in the file: keep what its constructor takes in attributes of the "
                f"same names, and save it again ({written['lacks settings']})"
            )
        if written.get("dtype", "float32") not in ("float32", "float64"):
            raise ArchitectureError(f"expected the dtype float32 or float64, got {written['dtype']!r}")
        read = {key: self._read(value) for key, value in written.items()}
        settings, count = {key: value for key, (value, _) in read.items()}, 1 + sum(count for _, count in read.values())
        if max(count, len(self.ended)) > MOST:
            raise ArchitectureError(f"it has more than {MOST:,} layers")
        self.left -= next((size(settings) for known, size in _SIZES.items() if issubclass(kind, known)), 0)
        if self.left < 0:
            raise ArchitectureError(f"its {name} would have more elements than the file")
        self.ended.append((kind.from_settings(**settings), count))
        return self.ended[-1]


def _product(*sizes: Any) -> int:
    if not all(type(size) is int for size in sizes):
        raise ArchitectureError(f"expected whole numbers as sizes, got {str(sizes)[:100]}")
    return abs(math.prod(sizes))


Settings = Mapping[str, Any]
_SIZES: dict[type[Layer], Callable[[Settings], int]] = {
    layers.Affine: lambda s: _product(*s["shape"]),
    layers.BatchNorm1D: lambda s: _product(s["num_features"]),
    layers.BatchNorm2D: lambda s: _product(s["num_features"]),
    layers.Dense: lambda s: _product(s["in_features"], s["out_features"]),
    layers.Embedding: lambda s: _product(s["num_embeddings"], s["embedding_dim"]),
    layers.LayerNorm: lambda s: _product(*s["normalized_shape"]) if s["affine"] else 0,
    layers.MappedConv2D: lambda s: _product(sum(map(len, s["connections"])), *s["kernel_size"]),
    layers.PReLU: lambda s: _product(s["num_parameters"]),
    layers.RBF: lambda s: s["centers"].size,
    layers.Subsample2D: lambda s: _product(s["channels"]),
    Convolution: lambda s: _product(s["in_channels"], s["out_channels"], *s["kernel_size"]) // _product(s["groups"]),
    Recurrent: lambda s: _product(s["hidden_size"], s["hidden_size"] + s["input_size"]),
}
"""For each layer whose settings determine the size of its parameters, a lower bound on their number of elements."""
