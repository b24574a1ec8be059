"""Convert the arrays of layers and PyTorch modules: some are the same in both, others are stored differently."""

import math

import numpy as np

from ... import layers
from ...backend import to_numpy
from ...layers import Layer
from ...layers.conv import Convolution
from ...layers.recurrent import Recurrent
from .state_dict import Arrays, Module

_AFFINE = {"weight": "W", "bias": "b"}
_NORM = {"weight": "gamma", "bias": "beta"}
_ESTIMATES = {"running_mean": "running_mean", "running_var": "running_var"}
_SAME: dict[type[Layer], dict[str, str]] = {
    layers.BatchNorm1D: _NORM | _ESTIMATES,
    layers.BatchNorm2D: _NORM | _ESTIMATES,
    layers.Dense: _AFFINE,
    layers.Embedding: {"weight": "W"},
    layers.LayerNorm: _NORM,
    layers.PReLU: {"weight": "alpha"},
    Convolution: _AFFINE,
}
"""For layers whose arrays are the same in both libraries, PyTorch's names and xpnn's."""

ABSENT = {"bias": np.zeros, "bias_hh": np.zeros, "bias_ih": np.zeros, "weight": np.ones}
"""The values of arrays that a module lacks: with bias=False a bias of 0, with affine=False a factor of 1."""

_COUNT = "num_batches_tracked"  # stored by PyTorch's batch normalisation, not needed by xpnn's
_RECURRENT = {"weight_ih", "weight_hh", "bias_ih", "bias_hh"}


def torch_layers(model: Layer) -> dict[str, Layer]:
    """The layers with parameters or buffers by their paths; TypeError if a layer has no counterpart in PyTorch."""
    own = {path: leaf for path, leaf in model.leaves() if leaf.params or leaf.buffers}
    for path, leaf in own.items():
        if not isinstance(leaf, (Recurrent, *_SAME)):
            raise TypeError(f"the layer {path!r}, {leaf}, has no counterpart in PyTorch")
    return own


def not_in_torch(layer: Layer) -> list[str]:
    """The layer's parameters that its PyTorch counterpart lacks: initial states, which PyTorch takes as inputs."""
    return [f"{name}_0" for name in layer.starting("learned")] if isinstance(layer, Recurrent) else []


def own_arrays(layer: Layer) -> Arrays:
    return {key: to_numpy(value) for key, value in (layer.params | layer.buffers).items()}


def from_module(layer: Layer, module: Module, path: str = "") -> Arrays:
    """The module's arrays, converted for the layer at this path.

    Raises:
        ValueError: the module is of another kind, or its arrays have other shapes.
    """
    try:
        return (_recurrent_from if isinstance(layer, Recurrent) else _same_from)(layer, module.arrays)
    except ValueError as error:
        raise ValueError(f"the layer {path!r}, {layer}, does not fit the module {module}: {error}") from None


def to_module(layer: Layer) -> Arrays:
    """The layer's arrays, converted for a module."""
    own = own_arrays(layer)
    if not isinstance(layer, Recurrent):
        count = {_COUNT: np.array(0)} if "running_mean" in own else {}
        return {key: own[name] for key, name in _names(layer, own).items()} | count
    out, H = {"weight_ih": own["W_x"], "weight_hh": own["W_h"]}, layer.hidden_size
    if layer.bias:
        for_h = np.full_like(own["b"], -0.0)  # x + -0.0 is x for every x, even for -0.0
        if "b_h" in own:
            for_h[2 * H :] = own["b_h"]
        out |= {"bias_ih": own["b"], "bias_hh": for_h}
    return out


def _names(layer: Layer, own: Arrays) -> dict[str, str]:
    """PyTorch's names and xpnn's for the arrays that the layer has."""
    names = next(names for kind, names in _SAME.items() if isinstance(layer, kind))
    return {key: name for key, name in names.items() if name in own}


def _same_from(layer: Layer, given: Arrays) -> Arrays:
    own = own_arrays(layer)
    names = _names(layer, own)
    if unknown := given.keys() - names.keys() - {_COUNT}:
        raise ValueError(f"the layer has no {', '.join(sorted(unknown))}")
    if missing := names.keys() - given.keys() - {"bias", "weight" if "running_mean" in own else ""}:
        raise ValueError(f"the module has no {', '.join(sorted(missing))}")
    return {
        name: _shaped(layer, given[key], own[name].shape) if key in given else ABSENT[key](own[name].shape)
        for key, name in names.items()
    }


def _shaped(layer: Layer, array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The array in the layer's shape; (out, in k1 k2) and (out, in, k1, k2) may be exchanged."""
    if array.shape == shape:
        return array
    if {array.ndim, len(shape)} == {2, 4} and len(array) == shape[0] and array.size == math.prod(shape):
        conv = layer if isinstance(layer, layers.Conv2D) else None
        if conv is None or (conv.padding, conv.dilation, conv.groups) == ((0, 0), (1, 1), 1):
            return array.reshape(shape)
    raise ValueError(f"expected an array of shape {shape}, got {array.shape}")


def _recurrent_from(layer: Layer, given: Arrays) -> Arrays:
    """W_x, W_h and their common bias; for a GRU, whose reset gate multiplies the candidate's W_h h + b_h, also b_h."""
    own = own_arrays(layer)
    if given.keys() - _RECURRENT or not {"weight_ih", "weight_hh"} <= given.keys():
        raise ValueError(f"the layer has {', '.join(sorted(_RECURRENT))}")
    if "bias_ih" in given and "b" not in own:
        raise ValueError("the layer has no bias")
    named = {"W_x": "weight_ih", "W_h": "weight_hh"}
    read = {name: _shaped(layer, given[key], own[name].shape) for name, key in named.items()}
    if "b" in own:
        zeros = np.zeros_like(own["b"])
        for_x, for_h = (_shaped(layer, given.get(key, zeros), zeros.shape) for key in ("bias_ih", "bias_hh"))
        read["b"] = for_x + for_h
        if "b_h" in own:
            H = len(own["b_h"])
            read["b"][2 * H :], read["b_h"] = for_x[2 * H :], for_h[2 * H :]
    return read
