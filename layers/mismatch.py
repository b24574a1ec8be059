"""Whether an array has the shape and the dtype that a layer expects."""

from functools import lru_cache
from typing import Any

import numpy as np

_KINDS = {"integer": "iu", "floating-point": "f"}


@lru_cache(1024)  # every step repeats the same question
def mismatch(
    shape: tuple[int | str, ...], got: tuple[int, ...], dtype: Any, got_dtype: np.dtype
) -> tuple[type[Exception], str] | None:
    """(exception, message) if the input does not fit, else None."""
    fits = len(got) >= len(shape) if shape[0] == "..." else len(got) == len(shape)
    for want, length in zip(reversed(shape), reversed(got), strict=False):  # from the right, since "..." is leftmost
        fits &= want == length or isinstance(want, str)
    if not fits:
        text = ", ".join(map(str, shape)).replace("...", "N, ...") + ("," if len(shape) == 1 else "")
        return ValueError, f"expected input of shape ({text}), got {got}"
    if 0 in got:
        return ValueError, f"got an empty input, of shape {got}"
    if got_dtype.kind not in _KINDS[dtype] if isinstance(dtype, str) else got_dtype != dtype:
        return TypeError, f"expected input of dtype {dtype}, got {got_dtype}: xpnn.asarray(x, dtype) converts"
    return None


def output_of(owner: object, result: Any) -> Any:
    """What a ``forward`` returns besides backward; TypeError if it does not return the two."""
    if not isinstance(result, tuple) or len(result) != 2 or not callable(result[1]):
        raise TypeError(f"{owner}: expected forward to return (y, backward), got {type(result).__name__}")
    return result[0]
