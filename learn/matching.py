"""Match a student's gradients with slips: one known slip, one of several, an unlisted change, or two slips."""

from collections.abc import Set
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from .exercise import Exercise, Slip, copied
from .run import Result, run
from .variants import said, variants
from .verdict import Finding

START = 0.5
"""The value of every element of ``grads`` before backward, which must add the gradient to it."""


class Case(NamedTuple):
    """The lengths of the axes, the function's arguments, the upstream gradient, and the right results."""

    sizes: dict[str, Any]
    arguments: dict[str, Any]
    dy: np.ndarray | None
    right: Result


Wrong = dict[str, list[tuple[Case, Any]]]
"""The student's values of each wrong gradient, case by case."""

Effect = dict[str, list[Any]]
"""The values of each gradient that slips change, case by case."""

Effects = list[tuple[Slip, Effect]]
"""The effect of each slip."""


def by_slips(effects: Effects, wrong: Wrong) -> tuple[list[Finding], Wrong]:
    """The slips whose effects equal the student's gradients, and the gradients left over; the best matches first."""
    found, left = [], dict(wrong)
    for slip, effect in sorted(effects, key=lambda one: -len(one[1])):
        if effect and effect.keys() <= left.keys() and matches(effect, left):
            found.append(Finding(tuple(effect), slip.id, slip.says))
            left = {name: cases for name, cases in left.items() if name not in effect}
    return found, left


def partly(effects: Effects, unknown: Wrong, wrong: Set[str]) -> tuple[dict[str, list[Finding]], list[Slip]]:
    """Slips that explain some gradients, although others that they change have a further mistake; and these slips."""
    found: dict[str, list[Finding]] = {}
    standing = []
    for slip, effect in effects:
        of = [
            name for name in effect if name in unknown and name not in found and matches({name: effect[name]}, unknown)
        ]
        if of and effect.keys() <= wrong:
            found |= {name: [Finding((name,), slip.id, slip.says)] for name in of}
            standing.append(slip)
    return found, standing


def by_variants(exercise: Exercise, unknown: Wrong, names: list[str], standing: list[Slip]) -> dict[str, list[Finding]]:
    """For gradients that no known slip explains, one change of the solution that does, by itself or together with a
    slip found in the others; it leaves right gradients right."""
    found: dict[str, list[Finding]] = {}
    if not unknown:
        return found
    (case, _), *_ = next(iter(unknown.values()))
    for variant in (*(exercise.slips if standing else ()), *variants(exercise, case.arguments)):
        for others in ((), *((slip,) for slip in standing)):
            left = {name: cases for name, cases in unknown.items() if name not in found}
            if not left:
                return found
            slips = variant, *others
            may = set(names) if others else left.keys()
            explained = _explained_by(exercise, slips, left, may, names)
            found |= {
                name: [Finding((name,), slip.id, slip.says or said(slip)) for slip in slips] for name in explained
            }
    return found


def by_pairs(
    exercise: Exercise, effects: Effects, unknown: Wrong, wrong: Set[str], names: list[str]
) -> dict[str, list[Finding]]:
    """For gradients that no single slip explains, two that do together; they leave right gradients right."""
    found: dict[str, list[Finding]] = {}
    likely = [(slip, effect.keys()) for slip, effect in effects if effect and effect.keys() <= wrong]
    for pair in combinations(likely, 2):
        (one, of_one), (other, of_other) = pair
        left = {name: unknown[name] for name in (of_one | of_other) & (unknown.keys() - found.keys())}
        explained = _explained_by(exercise, (one, other), left, wrong, names) if left else left
        found |= {name: [Finding((name,), slip.id, slip.says) for slip, of in pair if name in of] for name in explained}
    return found


def _explained_by(
    exercise: Exercise, slips: tuple[Slip, ...], unknown: Wrong, may: Set[str], names: list[str]
) -> list[str]:
    """The unexplained gradients that slips reproduce in every case, if they change only gradients that may change."""
    cases = [case for case, _ in next(iter(unknown.values()))]
    telling = (number for number, case in enumerate(cases) if all(
        not same(came[number][1], case.right["gradients"][name]) for name, came in unknown.items()))  # fmt: skip
    first = next(telling, None)
    spans: list[slice] = [slice(None)] if first is None else [slice(first, first + 1), slice(None)]
    explained: list[str] = []
    for span in spans:  # most slips can be ruled out by one case
        effect = effect_of(exercise, slips, cases[span], names)
        of = {name: came[span] for name, came in unknown.items() if name in effect}
        explained = [name for name in of if matches({name: effect[name]}, of)] if effect.keys() <= may else []
        if not explained:
            break
    return explained


def same(some: Any, other: Any) -> bool:
    """Whether two arrays have the same shape, and the same values up to rounding."""
    if some is None or other is None or np.shape(some) != np.shape(other):
        return False
    size = np.abs(other)
    scale = max(1.0, float(np.max(size, initial=0, where=np.isfinite(size))))
    return bool(np.allclose(some, other, rtol=1e-7, atol=1e-9 * scale, equal_nan=True))


def matches(effect: Effect, wrong: Wrong) -> bool:
    return all(
        value is None or same(got, value)
        for name, values in effect.items()
        for value, (_, got) in zip(values, wrong[name], strict=True)
    )


def effect_of(exercise: Exercise, slips: tuple[Slip, ...], cases: list[Case], names: list[str]) -> Effect:
    """The effect of slips in the solution; None stands for a case in which the changed code cannot run."""
    try:
        function = exercise.solution(*slips)
    except (ValueError, SyntaxError):  # both change the same snippet
        return {}
    results: list[Result | None] = []
    for case in cases:
        try:
            with np.errstate(all="ignore"):
                results.append(run(function, copied(case.arguments), copied(case.dy), START))
        except Exception:
            results.append(None)
    if not any(results):
        return {}
    values = {name: [result and result["gradients"].get(name) for result in results] for name in names}
    return {
        name: some
        for name, some in values.items()
        if not all(value is None or same(value, case.right["gradients"][name])
                   for value, case in zip(some, cases, strict=True))
    }  # fmt: skip
