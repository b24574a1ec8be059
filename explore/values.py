"""Convert arrays into values for the page."""

from typing import Any

import numpy as np

from ..backend import to_numpy

DIGITS = 6
"""Significant digits of every value on the page."""


def shown(value: Any) -> Any:
    """An array, or a single value, as lists of floats rounded to DIGITS digits.

    Raises:
        ValueError: a value is not finite.
    """
    if isinstance(value, dict):
        return {key: shown(one) for key, one in value.items()}
    array = value if isinstance(value, np.ndarray | float | int) else to_numpy(value)
    if not np.isfinite(array).all():
        raise ValueError("the network holds NaN or infinity: the steps were too large; start over")
    return _rounded(np.asarray(array, np.float64).tolist())


def _rounded(values: Any) -> Any:
    return (
        [_rounded(one) for one in values] if isinstance(values, list) else float(f"{values:.{DIGITS}g}") + 0.0
    )  # avoids -0


def largest(array: np.ndarray) -> list[int]:
    """The index of the largest element."""
    return [int(i) for i in np.unravel_index(array.argmax(), array.shape)]
