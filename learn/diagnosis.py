"""What is wrong, told from the wrong gradients themselves: known slips are tried until one gives the same."""

from collections.abc import Iterable, Set
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from .exercise import Exercise, Slip, Words, copied
from .run import Result, run
from .student import same
from .transforms import Known, Seen, known
from .variants import variants
from .verdict import Finding, finding
from .words import SAID

START = 0.5
"""What stands in every element of ``grads`` before backward; afterwards the gradient has been added to it."""


UPON = {"sign", "transposed", "swapped", "reshaped", "flipped", "mean", "unmeaned", "not_summed", "overwritten"}
"""What is told of a gradient in which another slip stands already; of others it would be guessing."""


class Case(NamedTuple):
    """The lengths of the axes, the function's arguments, the gradient from above, and the right results."""

    sizes: dict[str, Any]
    arguments: dict[str, Any]
    dy: np.ndarray | None
    right: Result


def prepared(exercise: Exercise) -> list[Case]:
    """The cases of an exercise, each with the solution's results."""
    cases = []
    for number, (sizes, arguments) in enumerate(zip(exercise.cases, exercise.drawn(), strict=True)):
        y = run(exercise.solution(), copied(arguments))["y"]
        dy = None if y is None else np.random.default_rng(number).standard_normal(np.shape(y))
        right = run(exercise.solution(), copied(arguments), dy, START)
        cases.append(Case(sizes, arguments, dy, right))
    return cases


def diagnosed(exercise: Exercise, cases: list[Case], results: list[Result], seconds: float = 0.0) -> list[Finding]:
    """What the results of a file, one for each case, say of it: nothing if all is right."""
    faults = [_fault(result["fault"], seconds) for result in results if "fault" in result]
    ran = [(case, result) for case, result in zip(cases, results, strict=True) if "fault" not in result]
    if not ran:
        return faults[:1]
    if not all(case.right["y"] is None or same(result["y"], case.right["y"]) for case, result in ran):
        return [finding("forward")]
    moved = dict.fromkeys(name for _, result in ran for name in result["moved"])
    found = [finding("moved", name=name) for name in moved]
    names = dict.fromkeys(name for case, _ in ran for name in case.right["gradients"])
    wrong = {
        name: [(case, result["gradients"].get(name)) for case, result in ran]
        for name in names
        if not all(same(result["gradients"].get(name), case.right["gradients"][name]) for case, result in ran)
    }
    return found + _explained(exercise, wrong, list(names)) + faults[:1]


Wrong = dict[str, list[tuple[Case, Any]]]
"""For each wrong gradient what came, case by case."""


def _explained(exercise: Exercise, wrong: Wrong, names: list[str]) -> list[Finding]:
    """The slips that explain every wrong gradient, as few as there are; and those gradients that none explains."""
    if not wrong:
        return []
    ran = [case for case, _ in next(iter(wrong.values()))]
    effects = [(slip, _effect(exercise, (slip,), ran, names)) for slip in exercise.slips]
    found, left = _by_slips(effects, wrong)
    general = {
        name: _general(exercise, name, cases) or _upon(exercise, name, cases, effects) for name, cases in left.items()
    }
    unknown = {name: left[name] for name, known in general.items() if not known}
    general |= _by_variants(exercise, unknown, names)
    unknown = {name: left[name] for name in unknown if not general[name]}
    general |= _by_pairs(exercise, effects, unknown, wrong.keys(), names)
    found += [one for name in left for one in (general[name] or [_unknown(exercise, name, left[name])])]
    return _once(found)


def _once(found: list[Finding]) -> list[Finding]:
    """What is said of several gradients in the same words is said once."""
    gradients: dict[str, tuple[Finding, list[str]]] = {}
    for one in found:
        gradients.setdefault(one.says["en"], (one, []))[1].extend(one.gradients)
    return [Finding(tuple(dict.fromkeys(names)), one.slip, one.says) for one, names in gradients.values()]


Effect = dict[str, list[Any]]
"""For each gradient that slips change what they make of it, case by case."""

Effects = list[tuple[Slip, Effect]]
"""Each slip's."""


def _by_slips(effects: Effects, wrong: Wrong) -> tuple[list[Finding], Wrong]:
    """The slips whose effects are what came, and the gradients that are left; those first that explain most."""
    found, left = [], dict(wrong)
    for slip, effect in sorted(effects, key=lambda one: -len(one[1])):
        if effect and effect.keys() <= left.keys() and _matches(effect, left):
            found.append(Finding(tuple(effect), slip.id, slip.says))
            left = {name: cases for name, cases in left.items() if name not in effect}
    return found, left


def _by_variants(exercise: Exercise, unknown: Wrong, names: list[str]) -> dict[str, list[Finding]]:
    """For gradients that no known slip explains, one change of the solution that does, and harms no other."""
    found: dict[str, list[Finding]] = {}
    if unknown:
        (case, _), *_ = next(iter(unknown.values()))
        for slip in variants(exercise, case.arguments):
            left = {name: cases for name, cases in unknown.items() if name not in found}
            if not left:
                break
            explained = _explained_by(exercise, (slip,), left, left.keys(), names)
            found |= {name: [Finding((name,), slip.id, slip.says)] for name in explained}
    return found


def _by_pairs(
    exercise: Exercise, effects: Effects, unknown: Wrong, wrong: Set[str], names: list[str]
) -> dict[str, list[Finding]]:
    """For gradients that no slip explains alone, two that do together; they change no gradient that is right."""
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
) -> Iterable[str]:
    """Those unknown gradients that slips give in every case, if they change none but those that may."""
    cases = [case for case, _ in next(iter(unknown.values()))]
    telling = (number for number, case in enumerate(cases) if all(
        not same(came[number][1], case.right["gradients"][name]) for name, came in unknown.items()))  # fmt: skip
    first = next(telling, None)
    for some in ([] if first is None else [slice(first, first + 1)]) + [slice(None)]:  # most differ in one case already
        effect = _effect(exercise, slips, cases[some], names)
        of = {name: came[some] for name, came in unknown.items() if name in effect}
        if not effect.keys() <= may or not any(_matches({name: effect[name]}, of) for name in of):
            return []
    return [name for name in of if _matches({name: effect[name]}, of)]


def _matches(effect: Effect, wrong: Wrong) -> bool:
    return all(
        value is None or same(got, value)
        for name, values in effect.items()
        for value, (_, got) in zip(values, wrong[name], strict=True)
    )


def _effect(exercise: Exercise, slips: tuple[Slip, ...], cases: list[Case], names: list[str]) -> Effect:
    """Of slips in the solution; None stands for a case in which the code with them cannot run."""
    try:
        function = exercise.solution(*slips)
    except (ValueError, SyntaxError):  # the two change the same words
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


def _general(exercise: Exercise, name: str, cases: list[tuple[Case, Any]]) -> list[Finding]:
    """The slips that are seen in one gradient itself; none if it is not understood."""
    if any(got is None for _, got in cases):
        return [finding("missing", name, name=name)]
    if any(not np.isfinite(got).all() for _, got in cases):
        return [finding("not_finite", name, name=name)]
    added = name[len("dE/d") :] in cases[0][0].arguments.get("params", {})
    shown = [_seen(case, name, got, added) for case, got in cases]
    if added and all(same(got, one.right) for one, (_, got) in zip(shown, cases, strict=True)):
        return [finding("overwritten", name, name=name)]
    letters = exercise.axes.get(name, [])
    found = known(shown, letters)
    if found:
        return [_said(name, letters, found, shown)]
    if added:
        found = known([one._replace(got=got) for one, (_, got) in zip(shown, cases, strict=True)], letters)
        if found:
            return [finding("overwritten", name, name=name), _said(name, letters, found, shown)]
    if any(one.got.shape != one.right.shape for one in shown):
        return [_said(name, letters, Known("shape"), shown)]
    return []


def _upon(exercise: Exercise, name: str, cases: list[tuple[Case, Any]], effects: Effects) -> list[Finding]:
    """A slip of the exercise in one gradient, and another that is seen upon what it gives."""
    for slip, effect in effects:
        values = effect.get(name, [])
        given = [
            (case._replace(right=case.right | {"gradients": case.right["gradients"] | {name: value}}), got)
            for value, (case, got) in zip(values, cases, strict=False)
            if value is not None
        ]
        more = _general(exercise, name, given) if given and not _matches({name: values}, {name: cases}) else []
        if more and more[0].slip in UPON:
            return [Finding((name,), slip.id, slip.says), *more]
    return []


def _seen(case: Case, name: str, got: Any, added: bool) -> Seen:
    start = START if added else 0.0
    before = None if case.dy is not None else case.arguments.get(name)
    above = None if added else case.dy
    return Seen(got - start, case.right["gradients"][name] - start, above, before, case.sizes)


def _said(name: str, letters: list[str], found: Known, shown: list[Seen]) -> Finding:
    """A slip's sentence."""
    wrong = next(one for one in shown if not same(one.got, one.right))
    axis = _axes(found.axes, ["N"] if found.key == "not_summed" else letters)
    shapes = {"got": wrong.got.shape, "right": wrong.right.shape}
    return finding(found.key, name, name=name, axis=axis, factor=f"{found.factor:.4g}", **shapes)


def _axes(numbers: tuple[int, ...], letters: list[str]) -> Words:
    """Axes in words; -1 stands for the batch."""
    words: Words = {}
    for language, joint in (("en", " and "), ("zh", "与")):
        parts = []
        for number in numbers:
            letter = letters[number] if 0 <= number < len(letters) else "N" if number == -1 else ""
            batch = letter == "N" and number <= 0
            parts.append(SAID["batch" if batch else "axis"][language].format(letter=letter, number=number))
        words[language] = joint.join(parts)
    return words


def _unknown(exercise: Exercise, name: str, cases: list[tuple[Case, Any]]) -> Finding:
    """Where a gradient is wrong that no slip explains."""
    case, got = next((case, got) for case, got in cases if not same(got, case.right["gradients"][name]))
    right = case.right["gradients"][name]
    apart = ~np.isclose(got, right, rtol=1e-7, atol=1e-9)
    index = tuple(int(i) for i in np.unravel_index(np.abs(got - right).argmax(), right.shape))
    where: Words = {"en": "", "zh": ""}
    for axis, letter in enumerate(exercise.axes.get(name, [])):
        places = np.unique(np.nonzero(apart)[axis])
        if len(places) == 1 < right.shape[axis]:
            where = {key: words.format(axis=letter, index=int(places[0])) for key, words in SAID["only"].items()}
    return finding("unknown", name, name=name, index=list(index), got=got[index], right=right[index], where=where)


def _fault(fault: dict[str, Any], seconds: float) -> Finding:
    """What an exception says, with the shapes where it arose."""
    kind, line = fault["kind"], fault.get("line")
    if kind in ("late", "ended"):
        return finding(kind, seconds=seconds)
    if kind == "NotImplementedError":
        return finding("unwritten", line=line)
    said = finding("fault", line=line or 0, kind=kind, message=fault.get("message", ""))
    shapes = ", ".join(f"{key} {tuple(shape)}" for key, shape in fault.get("shapes", {}).items())
    if not shapes:
        return said
    more = finding("fault_shapes", shapes=shapes)
    return Finding((), "fault", {key: f"{text} {more.says[key]}" for key, text in said.says.items()})
