"""Track the axes of ONNX values as axes of values whose batch comes first."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod
from typing import NamedTuple, TypeAlias

Factor: TypeAlias = tuple[int, int, int]
"""(axis, step, length): the index i // step modulo length, for an index i along this axis of the base."""

Group: TypeAlias = tuple[Factor, ...]
"""The factors of one axis of a value, from outer to inner; none if its length is 1."""


class View(NamedTuple):
    """A value whose axes are its base's axes, split, joined or reordered; axis 0 of the base is the batch."""

    base: str
    groups: tuple[Group, ...]


class MisfitError(Exception):
    """The axes cannot be brought into this order."""


@lru_cache(4096)  # thousands of values have the same few shapes
def whole(base: str, shape: tuple[int, ...]) -> View:
    """The base itself."""
    return View(base, tuple(((k, 1, n),) if n != 1 or k == 0 else () for k, n in enumerate(shape)))


def joined(group: Group) -> Group:
    """The group with adjacent factors of one axis of the base merged."""
    factors: list[Factor] = []
    for axis, step, length in group:
        if factors and factors[-1][0] == axis and factors[-1][1] == step * length:
            factors[-1] = axis, step, factors[-1][2] * length
        else:
            factors.append((axis, step, length))
    return tuple(factors)


def length(group: Group) -> int:
    return prod(n for _, _, n in group)


def batch(groups: Sequence[Group]) -> int:
    """The axis that contains the batch; MisfitError if none does, as for a scale computed over all samples."""
    for k, group in enumerate(groups):
        if any(axis == 0 for axis, _, _ in group):
            return k
    raise MisfitError


def transposed(view: View, perm: Sequence[int] | None) -> View:
    groups = view.groups
    return View(view.base, tuple(groups[k] for k in perm) if perm else groups[::-1])


def reshaped(view: View, sizes: Sequence[int], is_free: Callable[[str, int], bool]) -> View:
    """The view with axes of these lengths; an axis whose length is free is not split.

    Raises:
        MisfitError: an axis cannot be split into these lengths.
    """
    rest = [factor for group in view.groups for factor in group]
    groups = []
    for size in sizes:
        group: list[Factor] = []
        while rest and (size > 1 or (rest[0][0] == 0 and rest[0][2] == 1)):
            axis, step, n = rest.pop(0)
            if size % n == 0:
                group.append((axis, step, n))
                size //= n
            elif n % size == 0 and axis and not is_free(view.base, axis):
                group.append((axis, step * (n // size), size))
                rest.insert(0, (axis, step, n // size))
                size = 1
            else:
                raise MisfitError
        if size != 1:
            raise MisfitError
        groups.append(joined(tuple(group)))
    if rest:
        raise MisfitError
    return View(view.base, tuple(groups))


@lru_cache(4096)
def front(view: View) -> tuple[tuple[Group, ...], tuple[int | None, ...]]:
    """The groups with only the batch in the first one, and for each of the view's axes, the index of its group.

    None stands for the axis that is the batch alone.
    """
    at = batch(view.groups)
    alone = tuple(factor for factor in view.groups[at] if factor[0] == 0)
    others = tuple(factor for factor in view.groups[at] if factor[0] != 0)
    groups, places = [alone], list[int | None]()
    for k, group in enumerate(view.groups):
        if k == at and not others:
            places.append(None)
        else:
            places.append(len(groups))
            groups.append(joined(others) if k == at else group)
    return tuple(groups), tuple(places)


def back(view: View, base: str, shape: Sequence[int]) -> View:
    """The view of another base, whose axes are those that ``front`` returned, in the view's order of axes.

    Raises:
        MisfitError: the batch lies in the middle of an axis.
    """
    _, places = front(view)
    axes, groups = whole(base, tuple(shape)).groups, []
    for group, place in zip(view.groups, places, strict=True):
        if place is None:
            groups.append(axes[0])
        elif any(axis == 0 for axis, _, _ in group):
            if group[0][0] != 0 and group[-1][0] != 0:
                raise MisfitError
            groups.append(axes[0] + axes[place] if group[0][0] == 0 else axes[place] + axes[0])
        else:
            groups.append(axes[place])
    return View(base, tuple(groups))
