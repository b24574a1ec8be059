"""An exercise: a TOML file with a forward, its backward, hints, and frequent slips."""

import textwrap
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from .words import LANGUAGES

Words = dict[str, str]
"""A text in each language, "en" and "zh"."""

HOME = Path(__file__).parent / "exercises"
FIELDS = {"function": str, "title": dict, "text": dict, "code": str, "backward": str, "hints": list, "arguments": dict,
          "cases": list}  # fmt: skip
OPTIONAL = {"slips": list, "order": int, "place": str}
HOLE = "{backward}"


@dataclass(frozen=True)
class Slip:
    """A frequent mistake: the correct code, the wrong code, and an explanation.

    Attributes:
        id: the slip's name, for statistics.
        right, wrong: snippets of ``backward``, each of which occurs there once, and their wrong replacements.
        says: the explanation.
    """

    id: str
    right: tuple[str, ...]
    wrong: tuple[str, ...]
    says: Words


@dataclass(frozen=True)
class Exercise:
    """An exercise, as its file describes it.

    Attributes:
        name: the file's name, without its suffix.
        function: the name of the function that the student's file must define.
        title, text: the exercise's title, and the task.
        code: the function, with ``{backward}`` on a line of its own where the student writes.
        backward: the solution, which replaces ``{backward}``.
        hints: the hints, from a first idea to almost the whole solution.
        arguments: the function's arguments. "N I" draws an array with these axes, "N < K" integers below K, "N
            positive" an array without negative elements; a number is used directly, and a table is a dict of arguments.
        cases: for each case, the lengths of the axes, and numbers that replace those of ``arguments``; ``whole = true``
            draws integers, so that equal elements occur.
        slips: the known slips.
        order: the position in the list of exercises.
        place: the place of the same function in the library.

    >>> learn.exercises()["dense"].function
    'dense'
    """

    name: str
    function: str
    title: Words
    text: Words
    code: str
    backward: str
    hints: tuple[Words, ...]
    arguments: dict[str, Any]
    cases: tuple[dict[str, Any], ...]
    slips: tuple[Slip, ...] = ()
    order: int = 1_000
    place: str = ""

    def start(self, language: str = "en") -> str:
        """The text of the file with which a student begins."""
        todo = {"en": "write it here, and take the next line away", "zh": "在此作答，并删去下一行"}[language]
        hole = f"# {todo}\nraise NotImplementedError"
        text = f"{self.name}: {self.title[language]}\n\n{self.text[language].strip()}"
        return f'"""{text}\n"""\n\nimport numpy as np\n\n\n{self.filled(hole)}'

    def solution(self, *slips: Slip) -> Callable[..., Any]:
        """The function with its backward, in which the given slips are made."""
        names: dict[str, Any] = {"np": np}
        exec(compile(self.source(*slips), f"<{self.name}>", "exec"), names)
        solved: Callable[..., Any] = names[self.function]
        return solved

    def source(self, *slips: Slip) -> str:
        """The source of :meth:`solution`."""
        backward = self.backward
        for slip in slips:
            for right, wrong in zip(slip.right, slip.wrong, strict=True):
                if (times := backward.count(right)) != 1:
                    raise ValueError(f"{self.name}, slip {slip.id}: {right!r} occurs {times} times in the solution")
                backward = backward.replace(right, wrong)
        return self.filled(backward)

    def drawn(self, seed: int = 0) -> Iterator[dict[str, Any]]:
        """The arguments of each case."""
        for number, case in enumerate(self.cases):
            rng = np.random.default_rng((seed, number))
            yield {key: _drawn(case.get(key, spec), case, rng) for key, spec in self.arguments.items()}

    @cached_property
    def axes(self) -> dict[str, list[str]]:
        """The letters of each gradient's axes."""
        first, *_ = self.arguments
        params = self.arguments.get("params", {})
        of = {f"dE/d{key}": spec for key, spec in ({first: self.arguments[first]} | params).items()}
        of |= {key: spec for key, spec in self.arguments.items() if isinstance(spec, str)}
        return {key: _letters(spec) for key, spec in of.items()}

    def filled(self, backward: str) -> str:
        """The code with a text in place of ``{backward}``, with the same indentation."""
        (line,) = (line for line in self.code.splitlines() if line.strip() == HOLE)
        indent = line[: line.index(HOLE)]
        return self.code.strip("\n").replace(line, textwrap.indent(backward.strip("\n"), indent)) + "\n"


def _letters(spec: str) -> list[str]:
    return spec.partition("<")[0].removesuffix("positive").split()


def _drawn(spec: Any, case: dict[str, Any], rng: np.random.Generator) -> Any:
    if isinstance(spec, dict):
        return {key: _drawn(one, case, rng) for key, one in spec.items()}
    if not isinstance(spec, str):
        return spec
    shape = [case[letter] for letter in _letters(spec)]
    below = spec.partition("<")[2].strip()
    if below:
        return rng.integers(0, case[below], shape)
    array = rng.standard_normal(shape)
    array = np.round(array) if case.get("whole") else array
    return np.abs(array) if spec.endswith("positive") else array


def exercises(folder: Path | None = None) -> dict[str, Exercise]:
    """The exercises of a folder, by default the library's own, by name and in order.

    Raises:
        ValueError: a file is not an exercise; the message says what is missing.

    >>> "max-pool" in learn.exercises()
    True
    """
    read = [_read(path) for path in sorted((folder or HOME).glob("*.toml"))]
    if not read:
        raise ValueError(f"{folder}: expected exercises, files that end in .toml, and found none")
    return {one.name: one for one in sorted(read, key=lambda one: (one.order, one.name))}


def _read(path: Path) -> Exercise:
    try:
        fields = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: expected TOML, got {error}") from error
    missing, unknown = FIELDS.keys() - fields.keys(), fields.keys() - FIELDS.keys() - OPTIONAL.keys()
    if missing or unknown:
        lacks, holds = (", ".join(sorted(names)) or "none" for names in (missing, unknown))
        raise ValueError(f"{path}: expected {', '.join(sorted(FIELDS))}; missing: {lacks}; unknown: {holds}")
    for key, value in fields.items():
        if type(value) is not (kind := (FIELDS | OPTIONAL)[key]):
            raise ValueError(f"{path}: expected {key} to be of {kind.__name__}, got {str(value)[:40]!r}")
    holes = [line.strip() for line in fields["code"].splitlines()].count(HOLE)
    if holes != 1:
        raise ValueError(f"{path}: expected {HOLE} on one line of `code`, found it on {holes}")
    try:
        slips = tuple(map(_slip, fields.pop("slips", [])))
        fields |= {key: _words(fields[key]) for key in ("title", "text")}
        hints, cases = tuple(map(_words, fields.pop("hints"))), tuple(map(dict, fields.pop("cases")))
        exercise = Exercise(name=path.stem, slips=slips, hints=hints, cases=cases, **fields)
        for slip in slips:
            exercise.source(slip)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected slips, hints, cases and texts as in {HOME}: {error}") from error
    return exercise


def _slip(one: dict[str, Any]) -> Slip:
    return Slip(one["id"], _several(one["right"]), _several(one["wrong"]), _words(one))


def _words(table: dict[str, Any]) -> Words:
    """The texts; a text that is missing in one language is replaced by the other's."""
    said = {language: table[language] for language in LANGUAGES if language in table}
    if not said or not all(isinstance(text, str) for text in said.values()):
        raise ValueError(f"expected texts {' and '.join(LANGUAGES)}, got {str(table)[:40]}")
    return dict.fromkeys(LANGUAGES, next(iter(said.values()))) | said


def _several(snippets: str | list[str]) -> tuple[str, ...]:
    return (snippets,) if isinstance(snippets, str) else tuple(snippets)


def copied(value: Any) -> Any:
    """A copy of arguments, or of a gradient, that a function may change."""
    if isinstance(value, dict):
        return {key: copied(one) for key, one in value.items()}
    return value.copy() if isinstance(value, np.ndarray) else value
