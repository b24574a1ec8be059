"""``xpnn learn``: exercises in back-propagation, and their grader, in English or Chinese."""

import argparse
import re
from collections.abc import Container
from pathlib import Path
from typing import Any

from ..learn import Exercise, Finding, Verdict, check, exercises
from ..learn.grader import TOLERANCE
from ..learn.words import LANGUAGES, say
from .arguments import folder, new_path, positive, positive_int
from .languages import Parser
from .streams import answer

HERE = Path(__file__).parents[1]
TITLE = re.compile(r'"""([\w-]+): ')


def add(parser: Parser) -> None:
    """exercises: write a backward, and be told what is wrong with it

    examples:
      xpnn learn                         lists the exercises
      xpnn learn start dense             writes dense.py, with the forward given and the backward empty
      xpnn learn check dense.py          says what is wrong
      xpnn learn hint dense
      xpnn learn solution dense
    """
    _add_common(parser, lang=parser.language, folder=None)
    actions = parser.add_subparsers(metavar="ACTION")
    added = {name: _action(actions, parser, name, *about) for name, about in _ACTIONS.items()}
    for name in ("start", "hint", "solution"):
        added[name].add_argument("name", metavar="EXERCISE", help="a name from `xpnn learn list`")
    added["start"].add_argument("--out", type=new_path, metavar="FILE", help="default: EXERCISE.py")
    added["hint"].add_argument("--number", type=positive_int, default=1, help="which hint, from 1; default: 1")
    checked = added["check"]
    checked.add_argument("file", type=new_path, metavar="FILE", help="file from `xpnn learn start`, with the backward "
                         "filled in; it is run")  # fmt: skip
    checked.add_argument("--exercise", metavar="NAME", help="default: from the file's first line or its name")
    checked.add_argument("--limit", type=positive, default=20.0, metavar="SECONDS", help="stop the file after this "
                         "time; default: 20")  # fmt: skip
    for name in ("list", "check"):
        added[name].add_argument("--json", action="store_true", help="print it as JSON, and nothing else on standard "
                                 "output")  # fmt: skip
    parser.set_defaults(command=_list, json=False)


def _action(actions: Any, parser: Parser, name: str, run: Any, text: str) -> Parser:
    made: Parser = actions.add_parser(name, help=parser.said(text), description=text)
    made.set_defaults(command=run)
    _add_common(made)
    return made


def _add_common(parser: Parser, **defaults: str | None) -> None:
    """Add the options that may come before or after the action; only those before it have defaults."""
    lang, source = (defaults.get(key, argparse.SUPPRESS) for key in ("lang", "folder"))
    parser.add_argument("--lang", choices=LANGUAGES, default=lang, help="language of texts and findings; default: from "
                        "the environment (LANG)")  # fmt: skip
    parser.add_argument("--from", dest="folder", type=folder, default=source, metavar="FOLDER", help="use the "
                        "exercises in this folder, such as a course's")  # fmt: skip


def _list(args: argparse.Namespace) -> None:
    """Print the exercises."""
    titles = {name: one.title[args.lang] for name, one in exercises(args.folder).items()}
    width = max(map(len, titles))
    lines = [f"{name:{width}}  {title}" for name, title in titles.items()]
    begin = say("list_end", args.lang, exercise=next(iter(titles)))
    answer(args, "\n".join([*lines, "", begin]), exercises=titles)


def _start(args: argparse.Namespace) -> None:
    """Write the file that an exercise begins with; never overwrite another file."""
    exercise = _named(args, args.name)
    file = args.out or Path(f"{exercise.name}.py")
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(exercise.start(args.lang))
    except FileExistsError as error:
        raise ValueError(f"{file} exists already: expected a new file (--out FILE chooses one)") from error
    print(say("started", args.lang, file=file))


def _check(args: argparse.Namespace) -> int:
    """Grade a file; returns 0 if all is right, else 1."""
    exercise = _named(args, args.exercise or _exercise_of(args.file, exercises(args.folder)))
    verdict = check(exercise, args.file, args.limit)
    answer(args, _report(exercise, verdict, args.lang), **verdict.as_dict(args.lang))
    return int(not verdict.passed)


def _exercise_of(file: Path, known: Container[str]) -> str:
    """The exercise's name, from the file's first words, which :meth:`Exercise.start` wrote, or from the file's name."""
    title = TITLE.match(file.read_text("utf-8", "replace"))
    name = title[1] if title else file.stem
    if name not in known:
        raise ValueError(f"{file}: expected the name of an exercise in its first line or as its own: give it by "
                         "--exercise NAME")  # fmt: skip
    return name


def _report(exercise: Exercise, verdict: Verdict, lang: str) -> str:
    lines = [say("printed", lang), verdict.printed.rstrip(), ""] if verdict.printed else []
    if verdict.passed:
        worst = max(verdict.errors.values(), default=0.0)
        key = "passed" if verdict.errors else "passed_update"
        return "\n".join([
            *lines, say(key, lang, gradients=", ".join(verdict.errors), error=worst, cases=len(exercise.cases))
        ])  # fmt: skip
    lines += [say("wrong", lang), *(f"- {_said(finding, lang)}" for finding in verdict.findings)]
    lines += [say("row", lang, name=name, error=error) for name, error in verdict.errors.items() if error > TOLERANCE]
    places = [HERE / place if (HERE / place).exists() else Path(place) for place in exercise.place.split(", ")]
    return "\n".join([*lines, say("more", lang, exercise=exercise.name, place=", ".join(map(str, places)))])


def _said(finding: Finding, lang: str) -> str:
    """A finding's sentence, with the gradients that it is about."""
    text, names = finding.says[lang], ", ".join(finding.gradients)
    return text if not names or finding.gradients[0] in text else f"{names}: {text}"


def _hint(args: argparse.Namespace) -> None:
    """Print one hint, and how to get the next."""
    exercise = _named(args, args.name)
    count, number = len(exercise.hints), min(args.number, len(exercise.hints))
    print(say("hint", args.lang, number=number, count=count, text=exercise.hints[number - 1][args.lang]))
    after = "hint_next" if number < count else "hint_last"
    print(say(after, args.lang, exercise=exercise.name, number=number + 1))


def _solution(args: argparse.Namespace) -> None:
    """Print the solution."""
    print(f"import numpy as np\n\n\n{_named(args, args.name).source()}", end="")


def _named(args: argparse.Namespace, name: str) -> Exercise:
    found = exercises(args.folder)
    if name not in found:
        raise ValueError(f"{name!r} is not an exercise: expected one of {', '.join(found)}")
    return found[name]


_ACTIONS = {
    "list": (_list, "list the exercises"),
    "start": (_start, "write the file of an exercise: the forward is given, the backward empty"),
    "check": (_check, "say whether a file is right, and what is wrong"),
    "hint": (_hint, "give a hint"),
    "solution": (_solution, "print the solution"),
}
