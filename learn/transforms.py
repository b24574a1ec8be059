"""Slips that are seen in a gradient itself, whatever the exercise: a transpose, a sign, a sum too many."""

from collections.abc import Iterator
from itertools import chain, combinations
from typing import Any, NamedTuple

import numpy as np

from .matching import same


class Seen(NamedTuple):
    """One gradient of one case: what came, what is right, what came from above, what stood there before."""

    got: np.ndarray
    right: np.ndarray
    dy: np.ndarray | None
    before: np.ndarray | None
    sizes: dict[str, Any]


class Known(NamedTuple):
    """The sentence that names a slip, and the axes that it speaks of, by number."""

    key: str
    axes: tuple[int, ...] = ()
    factor: float = 0.0


@np.errstate(all="ignore")  # a candidate may divide by zero: it then equals nothing
def known(cases: list[Seen], letters: list[str]) -> Known | None:
    """The slip that explains a gradient in every case that shows it."""
    for tried in zip(*(_candidates(case, letters) for case in cases), strict=True):
        if all(same(case.got, expected) for case, (_, expected) in zip(cases, tried, strict=True)):
            return tried[0][0]
    telling = [case for case in cases if not same(case.got, case.right)]
    return _factor(telling) or _sums(telling) or _order(telling)


def _candidates(case: Seen, letters: list[str]) -> Iterator[tuple[Known, Any]]:
    """A slip, and what it makes of the right gradient."""
    right, axes = case.right, range(case.right.ndim)
    yield Known("unchanged"), case.before
    yield Known("zero"), 0 * right
    yield Known("passed_on"), case.dy
    yield Known("sign"), -right
    for letter in dict.fromkeys(["N", *letters]):  # N is summed over in a parameter's gradient
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
    """As np.roll, but with zeros where nothing comes from."""
    moved = np.roll(array, step, axis)
    index: list[Any] = [slice(None)] * array.ndim
    index[axis] = 0 if step > 0 else -1
    moved[tuple(index)] = 0
    return moved


def _factor(cases: list[Seen]) -> Known | None:
    """One number times the right gradient, in every case."""
    if any(case.got.shape != case.right.shape or not case.right.any() for case in cases):
        return None
    factors = [float((case.got * case.right).sum() / np.square(case.right).sum()) for case in cases]
    alike = np.allclose(factors, factors[0], rtol=1e-6) and abs(factors[0]) > 1e-6
    fits = all(same(case.got, factor * case.right) for case, factor in zip(cases, factors, strict=True))
    return Known("factor", factor=factors[0]) if alike and fits else None


def _sums(cases: list[Seen]) -> Known | None:
    """A sum left out: summed over some axes of its own, the gradient is the right one."""
    for some in _subsets(range(cases[0].got.ndim)):
        if all(case.got.ndim > max(some) and same(case.got.sum(some), case.right) for case in cases):
            return Known("not_summed", some)
        if all(case.got.ndim > max(some) and same(case.got.sum(some, keepdims=True), case.right) for case in cases):
            return Known("not_summed", some)
    return None


def _order(cases: list[Seen]) -> Known | None:
    """The right values, at other places."""
    if all(same(np.sort(case.got, None), np.sort(case.right, None)) for case in cases):
        return Known("reordered" if cases[0].got.shape == cases[0].right.shape else "shape")
    return None
