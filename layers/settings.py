"""Constructor arguments: their checks, and their text in repr."""

import inspect
import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from numbers import Real
from typing import Any, TypeAlias

import numpy as np

from ..backend import Window

_WHOLE = int, np.integer

Size: TypeAlias = int | tuple[int, ...]
"""A length along each axis of an image or a signal, or one for all of them."""


def lengths(value: Size, what: str, least: int, axes: int) -> Any:
    """``value`` repeated for each of ``axes`` axes, or the tuple itself.

    Raises:
        ValueError: it is neither one integer of at least ``least`` nor one for each axis.
    """
    values = tuple(value) if isinstance(value, Sequence) else (value,) * axes
    if len(values) != axes or not all(is_whole(v) and v >= least for v in values):
        whole = "one whole number" if axes == 1 else "one or two whole numbers"
        raise ValueError(f"{what}: expected {whole} of at least {least}, got {value!r}")
    return tuple(map(int, values))


def pair(value: int | tuple[int, int], what: str, least: int) -> tuple[int, int]:
    """(v, v) from v, or the pair itself; errors as for :func:`lengths`."""
    first, second = lengths(value, what, least, 2)
    return first, second


def window_of(*settings: tuple[int, ...]) -> Window:
    """The window of a size, stride, padding and dilation; for signals, over images of one row."""
    pairs: Any = [(usual, *values)[-2:] for usual, values in zip((1, 1, 0, 1), settings, strict=False)]
    return Window(*pairs)


def _one(value: Any) -> Any:
    """v for (v, v)."""
    return value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value


def brief(usual: dict[str, object], **options: object) -> str:
    """Constructor arguments for a repr, without those at their defaults; a pair of equal numbers as one number."""
    texts = []
    for key, value in options.items():
        if _one(value) != _one(usual.get(key)):
            value = _one(value)
            texts.append(f"{key}={value!r}" if isinstance(value, str) else f"{key}={value}")
    return ", ".join(texts)


STARRED = object()


def _parameters(kind: type) -> dict[str, Any]:
    parameters = inspect.signature(kind).parameters.values()
    defaults = {one.name: STARRED if one.kind is one.VAR_POSITIONAL else one.default for one in parameters}
    return {one.name: defaults[one.name] for one in parameters if one.kind is not one.VAR_KEYWORD}


constructor: Callable[[Any], dict[str, Any]] = lru_cache(None)(_parameters)
"""A constructor's parameters by name, with their defaults (STARRED for ``*arguments``), without ``**options``."""

_NAMED = ("kernel_size", "size", "scale")  # shown with their names and even at their defaults
_SHORT = bool, *_WHOLE, float, np.floating, str, tuple, type(None)


def shown(layer: Any) -> str:
    """A layer's settings for a repr: first those without a default, then those that differ from their default."""
    try:
        settings = {key: value for key, value in layer.settings().items() if isinstance(value, _SHORT)}
    except AttributeError:  # a user's class that keeps them in another way
        return ""
    usual = {key: value for key, value in constructor(type(layer)).items() if key not in _NAMED}
    first = {key: value for key, value in settings.items() if usual.get(key) in (inspect.Parameter.empty, STARRED)}
    texts = [
        ", ".join(map(str, value)) if isinstance(value, tuple) and (len(value) == 1 or usual[key] is STARRED) else value
        for key, value in first.items()
    ]
    options = brief(usual, **{key: value for key, value in settings.items() if key not in first})
    return ", ".join(filter(None, (*map(str, texts), options)))


def positive(**sizes: int) -> None:
    """Raise ValueError unless each named size is an integer of at least 1."""
    for what, size in sizes.items():
        if not is_whole(size) or size < 1:
            raise ValueError(f"{what}: expected a whole number of at least 1, got {size!r}")


def is_whole(value: Any) -> bool:
    """Whether it is a Python or NumPy integer; True and False do not count."""
    return isinstance(value, _WHOLE) and not isinstance(value, bool)


def real(value: Any) -> float:
    """The value if it is a real number, else NaN, which lies in no range."""
    return value if isinstance(value, Real) else math.nan  # type: ignore[return-value]
