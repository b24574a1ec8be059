"""The slices of a model's flat vectors that an optimiser updates, and their settings."""

import math
from collections.abc import Mapping
from fnmatch import fnmatchcase
from itertools import groupby, product
from typing import Any, NamedTuple, TypeAlias

from ..backend import Array
from ..layers import Layer

Groups: TypeAlias = Mapping[str, Mapping[str, float]]
"""For patterns of parameter names, settings that differ: lr_factor, which multiplies the rate, and weight_decay."""

_SETTINGS = ("lr_factor", "weight_decay")


class Placed(NamedTuple):
    """A model's flat vectors, and how they are divided.

    Attributes:
        flat: parameters and gradients, as :meth:`Layer.gather` returned them.
        trainable: whether each layer that has parameters is trainable.
        slices: in order, each with the index of its settings in :func:`combinations`, or None for frozen parameters.
    """

    flat: tuple[Array, Array]
    trainable: list[bool]
    slices: list[tuple[slice, int | None]]


def check_groups(caller: str, groups: Groups) -> dict[str, dict[str, float]]:
    """A copy of the groups; ValueError if they are not patterns with settings."""
    for pattern, settings in groups.items() if isinstance(groups, Mapping) else [("groups", groups)]:
        good = isinstance(pattern, str) and isinstance(settings, Mapping) and settings.keys() <= set(_SETTINGS)
        if not good or not all(0 <= value < math.inf for value in settings.values()):
            raise ValueError(
                f"{caller}: expected groups such as {{'0.*': {{'lr_factor': 0.1}}, '*.b': {{'weight_decay': 0.0}}}}, "
                f"with finite values >= 0, got {pattern!r}: {settings!r}"
            )
    return {pattern: dict(settings) for pattern, settings in groups.items()}


def combinations(groups: Groups) -> list[dict[str, float]]:
    """Every combination of settings that a parameter may have: each setting is a group's, or absent."""
    given: list[list[dict[str, float]]] = [
        [{}] + [{key: s[key]} for s in groups.values() if key in s] for key in _SETTINGS
    ]
    every = [first | second for first, second in product(*given)]
    return [settings for i, settings in enumerate(every) if settings not in every[:i]]


def placed(caller: str, model: Layer, groups: Groups) -> Placed:
    """The model's vectors, divided by settings.

    Raises:
        ValueError: a pattern fits no parameter, or all layers with parameters are frozen.
    """
    parts = [
        (f"{path}.{key}".lstrip("."), leaf.trainable, value.size)
        for path, leaf in model.leaves()
        for key, value in leaf.params.items()
    ]
    if parts and not any(trainable for _, trainable, _ in parts):
        raise ValueError(f"{caller}: every layer of the model is frozen: set `trainable = True` on those to train")
    names = [name for name, _, _ in parts]
    for pattern in groups:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ValueError(f"{caller}: the group {pattern!r} fits no parameter of the model: {', '.join(names)}")
    every, slices, end = combinations(groups), [], 0
    for index, run in groupby(parts, key=lambda part: every.index(_settings(groups, part[0])) if part[1] else None):
        start, end = end, end + sum(size for _, _, size in run)
        slices.append((slice(start, end), index))
    return Placed(model.gather(), [leaf.trainable for leaf in model._gathered], slices)


def _settings(groups: Groups, name: str) -> dict[str, float]:
    """The settings of all groups that fit a parameter's name; a later group overrides an earlier one."""
    settings: dict[str, Any] = {}
    for pattern, own in groups.items():
        if fnmatchcase(name, pattern):
            settings |= own
    return settings
