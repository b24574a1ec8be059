"""Convert nested values that contain arrays into JSON values and named arrays, and back."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ...backend import Array, to_numpy, xp

_ARRAY = "array of the file"
_MALFORMED = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)


def packed(value: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    """The value as JSON takes it; its arrays go into ``arrays``, on the host, under names that start with ``name``.

    Raises:
        TypeError: the value contains anything but numbers, texts, arrays, and lists and dicts of them.
    """
    if isinstance(value, Mapping):
        if keys := [key for key in value if not isinstance(key, str)]:
            raise TypeError(f"{name}: expected a checkpoint's dicts to have texts for keys, got {keys[0]!r}")
        return {key: packed(inner, f"{name}.{key}", arrays) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [packed(inner, f"{name}.{i}", arrays) for i, inner in enumerate(value)]
    if isinstance(value, np.ndarray | xp.ndarray) and value.ndim:
        arrays[name] = to_numpy(value) if isinstance(value, xp.ndarray) else value
        value = arrays[name].dtype
        if value.kind in "fiub" and value.itemsize <= 8:
            return {_ARRAY: name}
    value = value.item() if hasattr(value, "item") else value
    if not isinstance(value, str | int | float | None):
        raise TypeError(
            f"{name}: a checkpoint holds numbers, texts, arrays of numbers, and lists and dicts of them, got {value!r}"
        )
    return value


def unpacked(value: Any, arrays: Mapping[str, Array]) -> Any:
    """The value that :func:`packed` turned into this one and these arrays.

    Raises:
        KeyError: an array is missing.
    """
    if isinstance(value, dict):
        return arrays[value[_ARRAY]] if _ARRAY in value else {key: unpacked(v, arrays) for key, v in value.items()}
    return [unpacked(inner, arrays) for inner in value] if isinstance(value, list) else value


@contextmanager
def well_formed(path: Path | str = "the checkpoint") -> Iterator[None]:
    """Within this block, errors in a checkpoint's structure become a ValueError that names the file."""
    try:
        yield
    except _MALFORMED as error:
        raise ValueError(f"{path} is not a checkpoint of a run ({type(error).__name__}: {error})") from error
