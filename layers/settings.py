"""A constructor's arguments: checks, and their text in repr."""

from collections.abc import Sequence

import numpy as np

_WHOLE = int, np.integer


def pair(value: int | tuple[int, int], what: str, least: int) -> tuple[int, int]:
    """(v, v) from v, or the pair itself.

    Raises:
        ValueError: not one or two integers of at least ``least``.
    """
    values = tuple(value) if isinstance(value, Sequence) else (value, value)
    if len(values) != 2 or not all(isinstance(v, _WHOLE) and v >= least for v in values):
        raise ValueError(f"{what}: expected one or two whole numbers of at least {least}, got {value!r}")
    return int(values[0]), int(values[1])


def brief(usual: dict[str, object], **options: object) -> str:
    """Constructor arguments for a repr, without those at their usual values; a pair of equals as one number."""
    texts = []
    for key, value in options.items():
        if value != usual.get(key):
            value = value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value
            texts.append(f"{key}={value}")
    return ", ".join(texts)


def positive(**sizes: int) -> None:
    """Raise ValueError unless each named size is an integer of at least 1."""
    for what, size in sizes.items():
        if not isinstance(size, _WHOLE) or size < 1:
            raise ValueError(f"{what}: expected a whole number of at least 1, got {size!r}")
