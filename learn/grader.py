"""The grader: runs a student's file, computes central differences, and reports mistakes."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np

from ..backend import Array, asarray, to_numpy
from ..checks import gradcheck
from ..layers import Backward, Layer
from .diagnosis import diagnosed, prepared
from .exercise import Exercise
from .matching import START
from .run import run
from .student import Student
from .verdict import Finding, Verdict, finding

TOLERANCE = 1e-6
"""The largest relative error against central differences; in float64 they reach about 1e-10."""


def check(exercise: Exercise, file: Path | str, seconds: float = 20.0) -> Verdict:
    """Grade a file: run it in a separate process, compare its gradients with central differences, and name mistakes.

    Args:
        exercise: one of :func:`exercises`.
        file: a Python file that defines the exercise's function. It runs with the caller's rights.
        seconds: the time after which it is stopped.

    >>> from pathlib import Path
    >>> path = Path("dense.py")
    >>> _ = path.write_text(learn.exercises()["dense"].start())
    >>> learn.check(learn.exercises()["dense"], path).findings[0].slip
    'unwritten'
    """
    path = Path(file)
    path.read_bytes()  # raises an error that names a file that cannot be read
    cases = prepared(exercise)
    with Student(path, exercise.function, seconds) as student:
        results = [student(case.arguments, case.dy, START) for case in cases]
        findings = diagnosed(exercise, cases, results, seconds)
        errors: dict[str, float] = {}
        if cases[0].dy is not None and not any("fault" in result for result in results):
            errors = _against_differences(exercise, student)
            found = not findings
            findings += [_later(name, error) for name, error in errors.items() if found and not error <= TOLERANCE]
        return Verdict(exercise.name, tuple(findings), errors, student.printed)


def _later(name: str, error: float) -> Finding:
    return finding("later", name, name=name, error=error)


def _against_differences(exercise: Exercise, student: Student) -> dict[str, float]:
    """The error of each gradient by :func:`gradcheck`, on the first case with newly drawn values."""
    arguments = next(exercise.drawn(seed=1))
    (first, x), *others = arguments.items()
    report = gradcheck(_Written(exercise, student, first, dict(others)), x, tolerance=TOLERANCE)
    named = {f"dE/d{first if row.parameter == 'input' else row.parameter}": row for row in report.rows}
    return {name: 0.0 if row.verdict == "zero" else row.error for name, row in named.items()}


class _Written(Layer):
    """A layer with the exercise's own forward and a student's backward."""

    def __init__(self, exercise: Exercise, student: Student, first: str, others: dict[str, Any]) -> None:
        super().__init__(**others.get("params", {}))
        self.solution, self.student, self.first, self.others = exercise.solution(), student, first, others

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Written":
        copied = _Written.__new__(_Written)
        memo[id(self)] = copied
        for key, value in vars(self).items():
            shared = key in ("solution", "student")
            setattr(copied, key, value if shared else deepcopy(value, memo))
        return copied

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        params = {"params": {key: to_numpy(value) for key, value in self.params.items()}} if self.params else {}
        arguments = {self.first: to_numpy(x)} | self.others | params
        y = asarray(run(self.solution, arguments)["y"], "float64")

        def backward(dy: Array) -> Array | None:
            given = to_numpy(dy)
            answer = self.student(arguments, given, 0.0)
            weight = 1.0 if y.ndim else float(given)
            gradients = {
                key: np.array(np.nan) if value is None else weight * value
                for key, value in answer.get("gradients", {}).items()
            }
            for key in self.params:
                self.grads[key] += asarray(_fitting(gradients.get(f"dE/d{key}"), self.grads[key].shape), "float64")
            return asarray(_fitting(gradients.get(f"dE/d{self.first}"), x.shape), "float64") if needs_dx else None

        return y, backward


def _fitting(gradient: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    """The gradient, or NaN if it is missing or has another shape."""
    fits = gradient is not None and gradient.shape == shape
    return gradient if fits else np.full(shape, np.nan)  # type: ignore[return-value]
