"""Read a model's arrays from a PyTorch state dict, or write them as one."""

import re
from collections.abc import Collection, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...layers import Layer
from .arrays import ABSENT, from_module, not_in_torch, own_arrays, to_module, torch_layers
from .state_dict import Module, Modules, modules_of, opened, torch_itself


class Loaded(NamedTuple):
    """The names that :func:`from_state_dict` left out.

    Attributes:
        missing: names of the model's arrays for which the state dict has no module.
        unexpected: names in the state dict that belong to no layer of the model.

    >>> from xpnn.interop.torch import Loaded
    >>> Loaded(["3.W"], []).missing
    ['3.W']
    """

    missing: list[str]
    unexpected: list[str]


def from_state_dict(
    model: Layer,
    state_dict: Mapping[str, Any] | str | Path,
    strict: bool = True,
    *,
    names: Mapping[str, str] | None = None,
) -> Loaded:
    """Load a PyTorch network's weights. If they do not fit, the model does not change.

    Modules and layers are paired by ``names``; by default by their own names if these are the same, as in two
    Sequentials of the same layers, else in the order in which PyTorch's modules were defined. A file in the safetensors
    format has lost that order, and so has a dict read from one: kinds and shapes must then leave only one pairing.

    The two of a pair must be of the same kind, with fitting shapes; rows are outputs, and gates are in PyTorch's order.
    The two biases of a recurrent module are added, a missing bias counts as 0, and a Linear can become a convolution
    that covers its whole input, or the reverse, such as C5 of LeNet-5.

    Args:
        model: its parameters and buffers are assigned, in its own dtype.
        state_dict: tensors or arrays by name; or the path of a .safetensors file, or of a .pt file, which torch reads
            without running any code (``weights_only``).
        strict: False to leave out modules and layers without a counterpart: if modules are paired in order, all after
            the last pair that fits.
        names: the module for each layer, by name, as ``{"0": "features.conv1"}``; each layer and direction of a
            recurrent module counts as one, as "lstm.l0" and "lstm.l0_reverse".

    Raises:
        FileNotFoundError, ImportError: there is no such file; a .pt file needs torch.
        TypeError: a layer has no counterpart in PyTorch, or a value is not an array of numbers.
        ValueError: names or shapes do not fit, or are another library's; or, with ``strict``, something is left over.

    >>> from xpnn.interop.torch import from_state_dict
    >>> model = Sequential(Dense(3, 2), ReLU())
    >>> state_dict = {"0.weight": np.ones((2, 3)), "0.bias": np.zeros(2)}  # net.state_dict() of a PyTorch network
    >>> from_state_dict(model, state_dict)
    Loaded(missing=[], unexpected=[])
    """
    given = modules_of(opened(state_dict) if isinstance(state_dict, str | Path) else state_dict)
    own = torch_layers(model)
    if strict and given.others:
        raise ValueError(f"xpnn has no layer for {given.others[0]!r} of the state dict{_hint(given.others[0])}")
    pairs = _pairs(own, given, strict, names)
    lacking = {path: not_in_torch(own[path]) if path in pairs else own_arrays(own[path]) for path in own}
    missing = [f"{path}.{key}" if path else key for path, keys in lacking.items() for key in keys]
    left = [module for name, module in given.items() if name not in pairs.values()]
    unexpected = [key for module in left for key in module.keys.values()] + given.others
    if strict and (missing or unexpected):
        raise ValueError(f"the state dict does not fit the model: missing {missing}, unexpected {unexpected}")
    taken = [(own[path], from_module(own[path], given[name])) for path, name in pairs.items()]
    for layer, arrays in taken:
        for key, value in arrays.items():
            (layer.params if key in layer.params else layer.buffers)[key] = value
    return Loaded(missing, unexpected)


def to_state_dict(model: Layer, like: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A model's weights as PyTorch's tensors, for ``net.load_state_dict``; torch must be installed.

    Args:
        model: a model of layers that PyTorch has, too.
        like: the PyTorch network's state dict: the result has its names and shapes, paired as by
            :func:`from_state_dict`. By default the names are the model's own, as "0.weight", and each recurrent or
            Bidirectional layer is one module.

    Raises:
        ImportError: torch is not installed.
        TypeError: a layer has no counterpart in PyTorch.
        ValueError: the model does not fit ``like``.

    >>> from xpnn.interop.torch import to_state_dict
    >>> sorted(to_state_dict(Sequential(Dense(3, 2), BatchNorm1D(2))))[:3]
    ['0.bias', '0.weight', '1.bias']
    """
    torch, own = torch_itself(), torch_layers(model)
    for path, layer in own.items():
        if keys := not_in_torch(layer):
            raise TypeError(
                f"the layer {path!r}, {layer}: PyTorch's modules have no {', '.join(keys)}, but are given it"
            )
    arrays: dict[str, np.ndarray] = {}
    if like is None:
        for path, layer in own.items():
            arrays |= {_named(path, key): value for key, value in to_module(layer).items()}
        return {key: torch.from_numpy(np.array(value)) for key, value in arrays.items()}
    given = modules_of(like)
    for path, name in _pairs(own, given, True, None).items():
        there, here = given[name], to_module(own[path])
        extra: Collection[str] = ABSENT.keys() & here.keys() - there.keys.keys()
        if extra := [key for key in extra if (here[key] != ABSENT[key](here[key].shape)).any()]:
            raise ValueError(f"the module {name!r} has no {', '.join(extra)}, but {own[path]} has")
        arrays |= {there.keys[key]: here[key].reshape(there.arrays[key].shape) for key in there.keys if key in here}
    return {key: torch.from_numpy(np.array(arrays[key])) for key in like if key in arrays}


def _hint(key: str) -> str:
    """Advice for an array from which PyTorch computes a weight."""
    if re.search(r"\bparametrizations\.", key):
        return ": torch.nn.utils.parametrize.remove_parametrizations makes it a weight"
    if key.endswith(("_g", "_v", "_u", "_orig", "_mask")):
        return ": remove_weight_norm and remove_spectral_norm of torch.nn.utils, and prune.remove, make it a weight"
    return ""


def _named(path: str, key: str) -> str:
    """The name of a layer's array in a state dict; the two layers of a Bidirectional are one module."""
    if key.endswith(("_ih", "_hh")):
        path, place = _place(path)
        key = f"{key}_{place}"
    return f"{path}.{key}" if path else key


def _place(path: str) -> tuple[str, str]:
    """The module for the recurrent layer at this path, and PyTorch's name of the layer and direction in it."""
    prefix, _, last = path.rpartition(".")
    places = {"forward": "l0", "reverse": "l0_reverse"}
    return (prefix, places[last]) if last in places else (path, "l0")


def _pairs(own: Mapping[str, Layer], given: Modules, strict: bool, names: Mapping[str, str] | None) -> dict[str, str]:
    """The module for each layer, by name.

    Raises:
        ValueError: a pair does not fit, or there are several possible pairings.
    """
    if names is None:
        same = {path: _as_module(path, given) for path in own}
        same = {path: name for path, name in same.items() if name in given}
        if len(same) < len(own) or (strict and len(same) < len(given)):
            if strict and len(own) != len(given):
                raise ValueError(
                    f"the model has {len(own)} layers with parameters ({', '.join(own)}), the state dict {len(given)} "
                    f"modules ({', '.join(given)}): pair them by names={{...}}, or allow some to be left "
                    "out by strict=False"
                )
            same = _in_order(own, given, strict) if given.ordered else _by_shapes(own, given)
        names = same
    for what, asked, known in (("layer", names.keys(), own.keys()), ("module", names.values(), given.keys())):
        if unknown := [name for name in asked if name not in known]:
            raise ValueError(f"names: there is no {what} {unknown[0]!r}, only {', '.join(known)}")
    for path, name in names.items():
        from_module(own[path], given[name], path)
    return dict(names)


def _as_module(path: str, given: Modules) -> str:
    """The name that the module for a layer at this path would have."""
    return path if path in given else ".".join(filter(None, _place(path)))


def _in_order(own: Mapping[str, Layer], given: Modules, strict: bool) -> dict[str, str]:
    """The layers and modules paired in order; without ``strict``, those before the first pair that does not fit."""
    pairs = zip(own, given, strict=False)
    return dict(pairs if strict else takewhile(lambda pair: _fits(own[pair[0]], given[pair[1]]), pairs))


def _by_shapes(own: Mapping[str, Layer], given: Modules) -> dict[str, str]:
    """Each layer paired with the only module that fits it."""
    pairs: dict[str, str] = {}
    for path, layer in own.items():
        fitting = [name for name, module in given.items() if _fits(layer, module)]
        if len(fitting) != 1 or fitting[0] in pairs.values():
            raise ValueError(
                f"the layer {path!r}, {layer}, fits {', '.join(fitting) or 'none'} of the modules {', '.join(given)}, "
                "whose order the file does not keep: pair them by names={...}"
            )
        pairs[path] = fitting[0]
    return pairs


def _fits(layer: Layer, module: Module) -> bool:
    try:
        from_module(layer, module)
    except ValueError:
        return False
    return True
