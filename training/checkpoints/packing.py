"""Values with arrays in them as text and arrays, and back."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...backend import Array, to_numpy, xp

_ARRAY = "array of the file"


def packed(value: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    """The value as JSON takes it; its arrays are put among ``arrays``, on the host, under names that begin so."""
    if isinstance(value, Mapping):
        return {str(key): packed(inner, f"{name}.{key}", arrays) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [packed(inner, f"{name}.{i}", arrays) for i, inner in enumerate(value)]
    if isinstance(value, np.ndarray | xp.ndarray) and value.ndim:
        arrays[name] = to_numpy(value) if isinstance(value, xp.ndarray) else value
        return {_ARRAY: name}
    return value.item() if hasattr(value, "item") else value


def unpacked(value: Any, arrays: Mapping[str, Array]) -> Any:
    """The value that was packed, with these arrays.

    Raises:
        KeyError: an array is missing.
    """
    if isinstance(value, dict):
        return arrays[value[_ARRAY]] if _ARRAY in value else {key: unpacked(v, arrays) for key, v in value.items()}
    return [unpacked(inner, arrays) for inner in value] if isinstance(value, list) else value
