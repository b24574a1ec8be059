"""Save a model, and its optimiser, in the safetensors format: arrays and text, no code.

``training/checkpoints/`` saves whole runs: their position, generators and callbacks, too.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ...backend import Array, to_numpy, xp
from ...data import Preprocessing
from ...data.files import write_file
from ...layers import Layer
from ...layers.parameters import Parameters
from ...layers.tree import check_leaves
from ..optimizer import Optimizer
from .about import KEY, about
from .sealed import SEAL, check_seal, sealed

_OPTIMIZER = "optimizer."
_STEPS = f"{_OPTIMIZER}steps"
RUN = "run."  # the arrays of a checkpoint that are neither the model's nor the optimiser's
Arrays: TypeAlias = dict[str, tuple[str, tuple[int, ...]]]  # dtype and shape of each, by name
_SHOWN = 20  # the most faults in one error message
_OF_KERAS = "Keras writes it as ONNX by model.export(path, format='onnx'), which xpnn.interop.onnx.load reads"
_BY_SUFFIX = {
    ".onnx": "xpnn.interop.onnx.load reads ONNX",
    ".npz": "numpy.load reads its arrays, which model.params[name] = array sets",
    ".keras": _OF_KERAS,
    ".h5": _OF_KERAS,
}
_OF_TORCH = "xpnn.interop.torch.from_state_dict(model, path) reads files saved by PyTorch"


def save(
    model: Layer,
    path: str | Path,
    metadata: dict[str, str] | None = None,
    *,
    optimizer: Optimizer | None = None,
    classes: Sequence[str] | None = None,
    preprocessing: Preprocessing | None = None,
) -> None:
    """Write every parameter and buffer under its name, and the network's architecture, for :func:`load_model`.

    An existing file is replaced atomically, once the new one has reached the disk: neither an error nor a power cut can
    leave a torn file. The file holds a checksum, by which :func:`load` recognises later damage.

    Args:
        model: its ``params`` and ``buffers`` are written.
        path: the file. An existing file is replaced, and its owner and mode are kept; so is the target of a link. A
            pipe or a device is written to.
        metadata: text that is stored with them.
        optimizer: its state and its number of steps are also written, so that training can be resumed.
        classes: the names of the labels, for ``xpnn predict`` and :func:`read_about`.
        preprocessing: turns pictures or a table's rows into the network's input, for the commands and
            :func:`read_about`; :class:`Pixels`, or the ``encoder`` of a table.

    Raises:
        OSError: the file cannot be written.
        FloatingPointError: the model holds NaN or infinity where the model in the existing file, which is kept, is
            finite.
        TypeError, ValueError: some parameters would not be saved, since a layer does not name the layers in it by
            ``children``, or gives two of them the same name.

    >>> save(Dense(3, 2), "layer.safetensors", {"note": "untrained"})
    """
    tensors = {key: to_numpy(value) for key, value in state_of(model, optimizer).items()}
    _keep_finite(path, tensors)
    write_file(path, sealed(tensors, {**(metadata or {}), **about(model, classes, preprocessing)}))


def _keep_finite(path: str | Path, tensors: dict[str, np.ndarray]) -> None:
    """Raise FloatingPointError if a tensor is not finite, but the file's is."""
    spoilt = [key for key, value in tensors.items() if value.dtype.kind == "f" and not np.isfinite(value).all()]
    if not spoilt:
        return
    with suppress(ValueError, FileNotFoundError), opened(path) as file:  # else there is no model to keep
        for key in spoilt:
            if key in set(file.keys()) and np.isfinite(file.get_tensor(key)).all():
                raise FloatingPointError(f"save: {key} holds NaN or infinity; {path}, where it is finite, was kept")


def load(model: Layer, path: str | Path, *, optimizer: Optimizer | None = None) -> None:
    """Read what :func:`save` wrote into a model of the same architecture.

    Args:
        model: its ``params`` and ``buffers`` are read.
        optimizer: an optimiser of the saved one's class, which gets its state. Its settings (the learning rate, ...)
            are not changed. Without this argument the file's optimiser is ignored.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not in the safetensors format, was damaged since it was saved, or its names, shapes or
            dtypes are not those of the model and the optimiser. Model and optimiser are then unchanged.
        TypeError, ValueError: as for :func:`save`, if the model itself is at fault.

    >>> save(MLP((3, 2)), "last.safetensors", optimizer=Adam())
    >>> model, optimizer = MLP((3, 2)), Adam()  # in another process, where fit(..., history=history) resumes training
    >>> load(model, "last.safetensors", optimizer=optimizer)
    """
    state = state_of(model, optimizer)
    with opened(path) as file:
        problems = _problems(state, _arrays(file), optimizer is None)  # before any array is read
        if problems:
            more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
            if any(re.match(r"(.*\.)?(weight|bias)\b", problem) for problem in problems):
                more += f"; {_OF_TORCH}"
            raise ValueError(f"{path} does not fit the model: {'; '.join(problems[:_SHOWN])}{more}")
        check_seal(path)
        tensors = {key: file.get_tensor(key) for key in state}
    for key in state:
        state[key] = tensors[key]
    if optimizer is not None:
        optimizer.resume(int(to_numpy(state[_STEPS])))


def read_metadata(path: str | Path) -> dict[str, str]:
    """The text that was given to :func:`save`. Errors as for :func:`load`.

    >>> save(Dense(3, 2), "layer.safetensors", {"note": "untrained"})
    >>> read_metadata("layer.safetensors")
    {'note': 'untrained'}
    """
    return {key: text for key, text in read_header(path)[0].items() if key != KEY}


def read_header(path: str | Path) -> tuple[dict[str, str], Arrays]:
    """All text of a file, and each array's dtype and shape. Errors as for :func:`load`."""
    with opened(path) as file:
        metadata = file.metadata() or {}
        return {key: text for key, text in metadata.items() if key != SEAL}, _arrays(file)


def _arrays(file: Any) -> Arrays:
    """Dtype and shape of each array, from the file's header."""
    parts = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118 - not iterable itself
    return {key: (_dtype(part.get_dtype()), tuple(part.get_shape())) for key, part in parts.items()}


def _dtype(code: str) -> str:
    """NumPy's name for a dtype of the format, as float32 for F32."""
    kind = code.rstrip("0123456789")
    names = {"F": "float", "BF": "bfloat", "I": "int", "U": "uint"}
    return names.get(kind, kind.lower()) + code[len(kind) :]


def _problems(state: Parameters, arrays: Arrays, ignore_optimizer: bool) -> list[str]:
    """The differences between a file's arrays and those of the state."""
    ignored = (RUN, _OPTIMIZER) if ignore_optimizer else (RUN,)
    extra = {key for key in arrays.keys() - state.keys() if not key.startswith(ignored)}
    problems = [f"{key} is missing" for key in state.keys() - arrays.keys()]
    problems += [f"{key} is not in the model ({' '.join(map(str, arrays[key]))})" for key in extra]
    for key, value in state.items():
        expected = str(value.dtype), value.shape
        dtype, shape = arrays.get(key, expected)
        if (dtype, shape) != expected:
            problems.append(f"{key} is {dtype} {shape}, in the model {value.dtype} {value.shape}")
    return sorted(problems)


def state_of(model: Layer, optimizer: Optimizer | None) -> Parameters:
    """The arrays that are saved, by name; assigning to an entry changes the model or the optimiser."""
    if not isinstance(model, Layer):
        raise TypeError(f"expected a network, got {model!r:.60}")
    check_leaves(model)
    state: dict[str, Array] = {}
    if optimizer is not None:
        vectors = optimizer.state(model.flat_params)  # first, since flat_params may move the parameters
        state = {_STEPS: xp.array(optimizer.steps)} | {_OPTIMIZER + key: vector for key, vector in vectors.items()}
    return Parameters(state | model.params | model.buffers)


@contextmanager
def opened(path: str | Path) -> Iterator[Any]:
    """The file, as safetensors reads it; FileNotFoundError or ValueError if it cannot be read."""
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with safe_open(path, "numpy") as file:
            yield file
    except (SafetensorError, OSError, TypeError, AttributeError) as error:  # the last two for dtypes that NumPy lacks
        raise ValueError(f"{path} is not a readable safetensors file ({error}){_hint(path)}") from error


def _hint(path: str | Path) -> str:
    """A hint at the format that the file may have instead."""
    if hint := _BY_SUFFIX.get(Path(path).suffix):
        return f"; {hint}"
    with open(path, "rb") as file:
        start = file.read(20)
    hints = {
        b"PK": _OF_TORCH,
        b"version https://git": "it is a pointer of Git LFS, and `git lfs pull` fetches the file",
    }
    return next((f"; {hint}" for magic, hint in hints.items() if start.startswith(magic)), "")
