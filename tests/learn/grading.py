"""What the tests of the grader share: functions of a student's, graded in this process."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from xpnn.learn import Finding, diagnosis, exercises, matching
from xpnn.learn.diagnosis import diagnosed, prepared
from xpnn.learn.exercise import Slip, copied
from xpnn.learn.matching import START
from xpnn.learn.run import run

KNOWN = exercises()
CASES = {name: prepared(exercise) for name, exercise in KNOWN.items()}
SLIPS = [(name, slip) for name, exercise in KNOWN.items() for slip in exercise.slips]


def graded(name: str, function: Callable[..., Any]) -> list[Finding]:
    """What the grader says of a function, by way of the same steps as for a file."""
    results = []
    for case in CASES[name]:
        try:
            with np.errstate(all="ignore"):
                results.append(run(function, copied(case.arguments), copied(case.dy), START))
        except Exception as error:
            results.append({"fault": {"kind": type(error).__name__, "message": str(error)}})
    return diagnosed(KNOWN[name], CASES[name], results)


def said(name: str, function: Callable[..., Any]) -> set[str]:
    """The slips found; that another case cannot run stands beside them as a fault."""
    return {finding.slip for finding in graded(name, function)} - {"fault"}


def written(name: str, *changes: tuple[str, str]) -> Callable[..., Any]:
    """The solution with changes of its words."""
    slip = Slip("", tuple(right for right, _ in changes), tuple(wrong for _, wrong in changes), {})
    return KNOWN[name].solution(slip)


def remember_effects(monkeypatch) -> None:
    """The effects of slips are the same in every test: compute them once."""
    for module in (diagnosis, matching):
        monkeypatch.setattr(module, "effect_of", _remembered)


_effect = matching.effect_of


def _remembered(exercise, slips, cases, names):
    places = [i for i, case in enumerate(CASES[exercise.name]) if any(case is one for one in cases)]
    return _kept(exercise.name, tuple((slip.right, slip.wrong) for slip in slips), tuple(places), tuple(names))


@cache
def _kept(name, changes, places, names):
    slips = tuple(Slip("", right, wrong, {}) for right, wrong in changes)
    return _effect(KNOWN[name], slips, [CASES[name][i] for i in places], list(names))
