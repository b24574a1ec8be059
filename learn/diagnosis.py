"""Find out which mistake produced wrong gradients: known slips are tried until one gives the same result."""

from typing import Any

import numpy as np

from .exercise import Exercise, Words, copied
from .matching import START, Case, Effects, Wrong, by_pairs, by_slips, by_variants, effect_of, matches, partly, same
from .run import Result, run
from .transforms import Known, Seen, known
from .verdict import Finding, finding
from .words import SAID

UPON = {"sign", "transposed", "swapped", "reshaped", "flipped", "mean", "unmeaned", "not_summed", "overwritten"}
"""Slips that can be recognised in a gradient that already has another one; others would be guesses."""


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
    """The mistakes that a file's results, one for each case, reveal; none if all are right."""
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
    explained = _explained(exercise, wrong, list(names))
    return found + faults[:1] + [one for one in explained if not faults or one.slip != "unknown"]


def _explained(exercise: Exercise, wrong: Wrong, names: list[str]) -> list[Finding]:
    """As few slips as possible that explain the wrong gradients, and findings for gradients that none explains."""
    if not wrong:
        return []
    ran = [case for case, _ in next(iter(wrong.values()))]
    effects = [(slip, effect_of(exercise, (slip,), ran, names)) for slip in exercise.slips]
    found, left = by_slips(effects, wrong)
    told = {
        name: _general(exercise, name, cases) or _upon(exercise, name, cases, effects) for name, cases in left.items()
    }

    def unknown() -> Wrong:
        return {name: cases for name, cases in left.items() if not told[name]}

    beside, standing = partly(effects, unknown(), wrong.keys())
    told |= beside
    told |= by_variants(exercise, unknown(), names, standing)
    told |= by_pairs(exercise, effects, unknown(), wrong.keys(), names)
    told |= {name: [_unknown(exercise, name, cases)] for name, cases in unknown().items()}
    return _once([*found, *(one for findings in told.values() for one in findings)])


def _once(found: list[Finding]) -> list[Finding]:
    """The findings, with those that say the same of several gradients merged into one."""
    gradients: dict[str, tuple[Finding, list[str]]] = {}
    for one in found:
        gradients.setdefault(one.says["en"], (one, []))[1].extend(one.gradients)
    return [Finding(tuple(dict.fromkeys(names)), one.slip, one.says) for one, names in gradients.values()]


def _general(exercise: Exercise, name: str, cases: list[tuple[Case, Any]]) -> list[Finding]:
    """The slips that can be recognised in one gradient by itself; none if it is not understood."""
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
    """A slip of the exercise in one gradient, and a second slip that is recognised in its result."""
    for slip, effect in effects:
        values = effect.get(name, [])
        given = [
            (case._replace(right=case.right | {"gradients": case.right["gradients"] | {name: value}}), got)
            for value, (case, got) in zip(values, cases, strict=False)
            if value is not None
        ]
        more = _general(exercise, name, given) if given and not matches({name: values}, {name: cases}) else []
        if more and more[0].slip in UPON:
            return [Finding((name,), slip.id, slip.says), *more]
    return []


def _seen(case: Case, name: str, got: Any, added: bool) -> Seen:
    start = START if added else 0.0
    before = None if case.dy is not None else case.arguments.get(name)
    above = None if added else case.dy
    return Seen(got - start, case.right["gradients"][name] - start, above, before, case.sizes)


def _said(name: str, letters: list[str], found: Known, shown: list[Seen]) -> Finding:
    """The finding for a slip, with its sentence."""
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
            key = "batch" if letter == "N" and number <= 0 else "axis" if letter else "axis_alone"
            parts.append(SAID[key][language].format(letter=letter, number=number))
        words[language] = joint.join(parts)
    return words


def _unknown(exercise: Exercise, name: str, cases: list[tuple[Case, Any]]) -> Finding:
    """A finding that says where a gradient is wrong, if no slip explains it."""
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
    """A finding with an exception's message and the shapes of the arrays at its place."""
    kind, line = fault["kind"], fault.get("line")
    if kind in ("late", "ended", "flood"):
        return finding(kind, seconds=seconds)
    if kind == "NotImplementedError":
        return finding("unwritten", line=line)
    said = finding("fault" if line else "fault_of_file", line=line, kind=kind, message=fault.get("message", ""))
    shapes = ", ".join(f"{key} {tuple(shape)}" for key, shape in fault.get("shapes", {}).items())
    more = finding("fault_shapes", shapes=shapes).says if shapes else {}
    return Finding((), "fault", {key: f"{text} {more.get(key, '')}".rstrip() for key, text in said.says.items()})
