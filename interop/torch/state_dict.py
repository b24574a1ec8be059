"""Read PyTorch's state dicts, and group their arrays by module."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...backend.border import host_array
from ...data.extras import needed

Arrays = dict[str, np.ndarray]
"""A layer's parameters and buffers, or a module's, by name."""

_KEY = re.compile(r"(?:(.*)\.)?(?:((?:weight|bias)_[ih]h)(?:_(l\d+(?:_reverse)?))?|(\w+))")
_KNOWN = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}
_KERAS = "Keras's or Flax's: kernels are (in, out) and gates have another order, so they might fit but would mean"
_OTHERS = {
    "xpnn's own, which xpnn.load reads": {"W", "W_x", "gamma", "alpha", "centers"},
    f"{_KERAS} something else; read such a network as ONNX, by xpnn.interop.onnx": {"kernel", "recurrent_kernel"},
}


class Module(NamedTuple):
    """One PyTorch layer's arrays, and their names in the state dict, both by PyTorch's short names, as "weight"."""

    name: str
    keys: dict[str, str]
    arrays: Arrays

    def __str__(self) -> str:
        return f"{self.name!r} ({', '.join(f'{key} {array.shape}' for key, array in self.arrays.items())})"


class Modules(dict[str, Module]):
    """The modules by name; each layer and direction of a recurrent module counts as one, as "lstm.l0_reverse".

    Attributes:
        ordered: whether the modules are in the order of their definition.
        others: names in the state dict that belong to no known module, such as a module's own parameters.
    """

    def __init__(self, *modules: Any) -> None:
        super().__init__(*modules)
        self.ordered, self.others = True, list[str]()


def modules_of(state_dict: Mapping[str, Any]) -> Modules:
    """The modules of a state dict.

    Raises:
        TypeError: a value is not an array of floating-point numbers.
        ValueError: it is a checkpoint that contains a state dict, or the names are another library's.
    """
    if not isinstance(state_dict, Mapping):
        raise TypeError(f"expected a state dict, as net.state_dict() returns it, got {type(state_dict).__name__}")
    if nested := [key for key, value in state_dict.items() if isinstance(value, Mapping)]:
        raise ValueError(f"expected a state dict, of arrays by name, got a dict that holds one: take [{nested[0]!r}]")
    last = {re.split("[./]", key)[-1].partition(":")[0] for key in state_dict}
    for whose, names in _OTHERS.items():
        if last & names:
            raise ValueError(f"expected PyTorch's names, got {', '.join(sorted(last)[:6])}, which are {whose}")
    modules = Modules()
    for key, value in state_dict.items():
        found = _KEY.fullmatch(key)
        prefix, recurrent, place, plain = found.groups() if found else (None, None, None, None)
        if not recurrent and plain not in _KNOWN:
            modules.others.append(key)
            continue
        name, what = ".".join(filter(None, (prefix, place))), recurrent or plain or ""
        module = modules.setdefault(name, Module(name, {}, {}))
        module.keys[what], module.arrays[what] = key, _array(key, value)
    keys = [key for key in state_dict if not key.endswith("num_batches_tracked")]
    # a file in the safetensors format is sorted; in PyTorch's own order weights precede biases, and it has versions
    if keys == sorted(keys) and not hasattr(state_dict, "_metadata"):
        modules.ordered = all(re.fullmatch(r"[\d.l]*", name) for name in modules)
        modules = _sorted(modules) if modules.ordered else modules
    return modules


def _sorted(modules: Modules) -> Modules:
    """The modules of a Sequential, ordered by their numbers."""
    found = Modules(sorted(modules.items(), key=lambda item: [int(digits) for digits in re.findall(r"\d+", item[0])]))
    found.others = modules.others
    return found


def _array(key: str, value: Any) -> np.ndarray:
    """A tensor's or an array's values on the host."""
    if hasattr(value, "detach"):
        try:
            value = host_array(value.detach().cpu())
        except (NotImplementedError, RuntimeError, TypeError) as error:  # meta, sparse and quantised tensors
            raise TypeError(f"{key}: expected a tensor that NumPy can read, got {value.dtype} ({error})") from error
    array = np.asarray(value)
    if array.dtype.kind != "f" and not key.endswith("num_batches_tracked"):
        raise TypeError(f"{key}: expected an array of floating-point numbers, got {array.dtype} {array.shape}")
    return array


def opened(path: str | Path) -> Mapping[str, Any]:
    """The state dict in a file, read without running code.

    Raises:
        FileNotFoundError, ImportError: there is no such file; or the file is not a .safetensors file, and torch is not
            installed.
        ValueError: the file holds no state dict.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}")
    with open(path, "rb") as file:
        start = file.read(9)
    named = Path(path).suffix.lower() == ".safetensors" and start[:2] != b"PK"  # a zip archive, as torch.save writes it
    if named or start[8:] == b"{":
        return dict(_tensors(path))
    torch = torch_itself()
    try:
        with open(path, "rb") as file:  # a stream, since torch would go by a name's suffix
            read = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # of many classes; some messages advise to run the file's code
        raise ValueError(
            f"{path} holds no state dict that torch reads without running code: write one by "
            "torch.save(net.state_dict(), path); a whole network or a TorchScript archive is code"
        ) from error
    if not isinstance(read, Mapping):
        raise ValueError(f"{path} holds a {type(read).__name__}: expected a state dict, as net.state_dict() returns it")
    return read


def _tensors(path: str | Path) -> Iterator[tuple[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "numpy") as file:
            keys = list(file.keys())
            foreign = any(file.get_slice(key).get_dtype().startswith(("BF", "F8")) for key in keys)
        with safe_open(path, "pt" if foreign else "numpy") as file:  # NumPy has neither bfloat16 nor 8-bit floats
            for key in keys:
                yield key, file.get_tensor(key)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is not a readable safetensors file ({error})") from error


def torch_itself() -> Any:
    """The torch module; if it is missing, an ImportError that names the extra."""
    return needed("torch", "this needs PyTorch", "torch")
