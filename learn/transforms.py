"""Slips that are seen in a gradient itself, whatever the exercise: a transpose, a sign, a sum too many."""

from collections.abc import Callable, Iterator
from itertools import chain, combinations
from typing import Any, NamedTuple

import numpy as np

from .student import same


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


Expected = Callable[[Seen], Any]


def known(cases: list[Seen], letters: list[str]) -> Known | None:
    """The slip that explains a gradient in every case that shows it."""
    telling = [case for case in cases if not same(case.got, case.right)]
    for sentence, expected in _candidates(telling[0], letters):
        if all(same(case.got, expected(case)) for case in cases):
            return sentence
    return _factor(telling) or _sums(telling) or _order(telling)


def _candidates(first: Seen, letters: list[str]) -> Iterator[tuple[Known, Expected]]:
    """A slip, and what it makes of the right gradient."""
    axes = range(first.right.ndim)
    if first.before is not None:
        yield Known("unchanged"), lambda case: case.before
    yield Known("zero"), lambda case: 0 * case.right
    yield Known("passed_on"), lambda case: case.dy
    yield Known("sign"), lambda case: -case.right
    for axis, letter in enumerate(["N", *letters]):  # N is summed over in a parameter's gradient
        at = (max(0, axis - 1),) if letter != "N" else (-1,)
        yield Known("mean", at), lambda case, letter=letter: case.right / case.sizes.get(letter, np.nan)
        yield Known("unmeaned", at), lambda case, letter=letter: case.right * case.sizes.get(letter, np.nan)
    if first.right.ndim == 2:
        yield Known("transposed"), lambda case: case.right.T
        yield Known("reshaped"), lambda case: case.right.T.reshape(case.right.shape)
    for pair in combinations(axes, 2):
        yield Known("swapped", pair), lambda case, pair=pair: case.right.swapaxes(*pair)
        yield Known("reshaped"), lambda case, pair=pair: case.right.swapaxes(*pair).reshape(case.right.shape)
    for some in _subsets(axes):
        yield Known("flipped", some), lambda case, some=some: np.flip(case.right, some)
        yield Known("oversummed", some), lambda case, some=some: case.right.sum(some)
        yield (
            Known("oversummed", some),
            lambda case, some=some: case.right.sum(some, keepdims=True) + np.zeros_like(case.right),
        )
    for axis in axes:
        for step in (1, -1):
            yield Known("shifted", (axis,)), lambda case, a=axis, step=step: np.roll(case.right, step, a)
            yield Known("shifted", (axis,)), lambda case, a=axis, step=step: _moved(case.right, step, a)


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
