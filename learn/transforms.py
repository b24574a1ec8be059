"""Slips that can be recognised in any exercise's gradient: a transpose, a wrong sign, a superfluous sum."""

from collections.abc import Iterator
from itertools import chain, combinations
from typing import Any, NamedTuple

import numpy as np

from .matching import same


class Seen(NamedTuple):
    """One gradient of one case: the student's, the right one, the upstream gradient, and the value before backward."""

    got: np.ndarray
    right: np.ndarray
    dy: np.ndarray | None
    before: np.ndarray | None
    sizes: dict[str, Any]


class Known(NamedTuple):
    """The key of a slip's sentence, and the numbers of the axes that it names."""

    key: str
    axes: tuple[int, ...] = ()
    factor: float = 0.0


@np.errstate(all="ignore")  # a candidate may divide by 0: it then matches nothing
def known(cases: list[Seen], letters: list[str]) -> Known | None:
    """The slip that explains a gradient in every case."""
    for tried in zip(*(_candidates(case, letters) for case in cases), strict=True):
        if all(same(case.got, expected) for case, (_, expected) in zip(cases, tried, strict=True)):
            return tried[0][0]
    telling = [case for case in cases if not same(case.got, case.right)]
    return _factor(telling) or _sums(telling) or _order(telling)


def _candidates(case: Seen, letters: list[str]) -> Iterator[tuple[Known, Any]]:
    """Each slip, and its result for the right gradient."""
    right, axes = case.right, range(case.right.ndim)
    yield Known("unchanged"), case.before
    yield Known("zero"), 0 * right
    yield Known("passed_on"), case.dy
    yield Known("sign"), -right
    for letter in dict.fromkeys(["N", *letters]):  # a parameter's gradient is a sum over N
        at = (letters.index(letter),) if letter in letters else (-1,)
        length = case.sizes.get(letter, np.nan)
        yield Known("mean", at), right / length
        yield Known("unmeaned", at), right * length
    for pair in combinations(axes, 2):
        yield (
            Known("mean", pair),
            right / np.prod([case.sizes.get(letters[axis], np.nan) for axis in pair if axis < len(letters)]),
        )
    fits = case.dy is not None and case.dy.shape == right.shape
    dy: Any = case.dy if fits else np.full_like(right, np.nan)
    slope = right / dy
    yield Known("slope_twice"), right * slope
    yield Known("slope_divided"), dy / slope
    yield Known("slope_added"), dy + slope
    if right.ndim == 2:
        yield Known("transposed"), right.T
    for pair in combinations(axes, 2):
        yield Known("swapped", pair), right.swapaxes(*pair)
        yield Known("reshaped"), right.swapaxes(*pair).reshape(right.shape)
    for some in _subsets(axes):
        yield Known("flipped", some), np.flip(right, some)
        yield Known("oversummed", some), right.sum(some)
        yield Known("oversummed", some), right.sum(some, keepdims=True) + np.zeros_like(right)
    for axis in axes:
        for step in (1, -1):
            yield Known("shifted", (axis,)), np.roll(right, step, axis)
            yield Known("shifted", (axis,)), _moved(right, step, axis)


def _subsets(axes: range) -> Iterator[tuple[int, ...]]:
    return chain.from_iterable(combinations(axes, count) for count in range(1, len(axes) + 1))


def _moved(array: np.ndarray, step: int, axis: int) -> np.ndarray:
    """Like np.roll, but filled up with zeros."""
    moved = np.roll(array, step, axis)
    index: list[Any] = [slice(None)] * array.ndim
    index[axis] = 0 if step > 0 else -1
    moved[tuple(index)] = 0
    return moved


def _factor(cases: list[Seen]) -> Known | None:
    """The slip of a constant factor: the same one in every case."""
    if any(case.got.shape != case.right.shape or not case.right.any() for case in cases):
        return None
    factors = [float((case.got * case.right).sum() / np.square(case.right).sum()) for case in cases]
    alike = np.allclose(factors, factors[0], rtol=1e-6) and abs(factors[0]) > 1e-6
    fits = all(same(case.got, factor * case.right) for case, factor in zip(cases, factors, strict=True))
    return Known("factor", factor=factors[0]) if alike and fits else None


def _sums(cases: list[Seen]) -> Known | None:
    """The slip of a missing sum: summed over some of its axes, the gradient is right."""
    for some in _subsets(range(cases[0].got.ndim)):
        if all(case.got.ndim > max(some) and same(case.got.sum(some), case.right) for case in cases):
            return Known("not_summed", some)
        if all(case.got.ndim > max(some) and same(case.got.sum(some, keepdims=True), case.right) for case in cases):
            return Known("not_summed", some)
    return None


def _order(cases: list[Seen]) -> Known | None:
    """The slip of a wrong order: the right values at other places."""
    if all(same(np.sort(case.got, None), np.sort(case.right, None)) for case in cases):
        return Known("reordered" if cases[0].got.shape == cases[0].right.shape else "shape")
    return None
