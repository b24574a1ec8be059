"""Parameters and buffers on disk, in the safetensors format: plain numbers and text, nothing that runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..backend import to_numpy
from ..layers import Layer, Parameters


def save(model: Layer, path: str | Path, metadata: dict[str, str] | None = None) -> None:
    """Write every parameter and buffer under its name.

    Args:
        model: its ``params`` and ``buffers`` are written.
        path: of the file, replaced if it is there.
        metadata: text to go with them.

    Raises:
        OSError: the file cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file  # here, so that importing xpnn costs little more than NumPy

    # contiguous, since safetensors writes other memory orders wrongly without a word
    tensors = {key: np.ascontiguousarray(to_numpy(value)) for key, value in _state(model).items()}
    try:
        save_file(tensors, path, metadata)
    except SafetensorError as error:
        raise OSError(f"cannot write {path} ({error})") from error


def load(model: Layer, path: str | Path) -> None:
    """Read the parameters and buffers that :func:`save` wrote into a model of the same architecture.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no safetensors file, or its names, shapes or dtypes are not the model's; the model is
            then unchanged.
    """
    state = _state(model)
    with _opened(path) as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not iterable itself
    problems = [f"{key} is missing" for key in state.keys() - tensors.keys()]
    problems += [f"{key} is not in the model" for key in tensors.keys() - state.keys()]
    problems += [
        f"{key} is {tensors[key].dtype} {tensors[key].shape}, in the model {value.dtype} {value.shape}"
        for key, value in state.items()
        if key in tensors and (tensors[key].shape != value.shape or tensors[key].dtype != value.dtype)
    ]
    if problems:
        raise ValueError(f"{path} does not fit the model: {'; '.join(sorted(problems))}")
    for key, tensor in tensors.items():
        state[key] = tensor


def read_metadata(path: str | Path) -> dict[str, str]:
    """The text that was saved with the parameters. Errors as for :func:`load`."""
    with _opened(path) as file:
        return file.metadata() or {}


def _state(model: Layer) -> Parameters:
    return Parameters(model.params | model.buffers)


@contextmanager
def _opened(path: str | Path) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with safe_open(path, "numpy") as file:
            yield file
    except (SafetensorError, OSError, TypeError, AttributeError) as error:  # the last two: dtypes that NumPy has not
        raise ValueError(f"{path} is not a readable safetensors file ({error})") from error
