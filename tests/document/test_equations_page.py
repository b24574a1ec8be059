"""docs/equations.md: every function, line and test that it names exists, and each test executes the lines beside it."""

import ast
import io
import json
import os
import re
import subprocess
import sys
import tokenize
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import xpnn as nn

TESTS = Path(__file__).parents[1]
PACKAGE = Path(nn.__file__).parent
PAGE = TESTS.parent / "docs/equations.md"
SECTIONS = ("dnn", "bp", "cnn", "rnn")  # each with a file of tests, test_bp.py


class Line(NamedTuple):
    """`file` `function`: `code`."""

    file: str
    function: str
    code: str


class Row(NamedTuple):
    """| number | formula | lines | tests |."""

    number: str
    lines: list[Line]
    tests: list[str]


def rows() -> list[Row]:
    """Those of the page's tables that begin with a formula's number."""
    found = []
    for text in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in text.strip("|").split(" | ")]
        if re.fullmatch(r"[A-Z]+\.\d+", cells[0]):
            assert len(cells) == 4, text
            number, _, code, tests = cells
            lines = [re.fullmatch(r"`([^`]+)` `([^`]+)`: `([^`]+)`", part) for part in code.split("<br>")]
            named = [re.fullmatch(r"`(tests/document/\w+\.py::\w+)`", part) for part in tests.split("<br>")]
            assert all(lines), f"{number}: {code}"
            assert all(named), f"{number}: {tests}"
            found.append(Row(number, [Line(*match.groups()) for match in lines], [match[1] for match in named]))
    return found


ROWS = rows()


@cache
def function_lines(file: str, function: str) -> dict[int, str]:
    """A function's lines, without comments, by their numbers; a method is called Class.method."""
    source = (PACKAGE / file).read_text(encoding="utf-8")
    lines = dict(enumerate(source.splitlines(), start=1))
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row] = lines[row][:column]
    node: ast.AST = ast.parse(source)
    for name in function.split("."):
        node = next(child for child in ast.iter_child_nodes(node) if getattr(child, "name", None) == name)
    return {number: lines[number].strip() for number in range(node.lineno, node.end_lineno + 1)}


def places(line: Line) -> list[int]:
    """The numbers of the lines of the function that are this code."""
    return [number for number, code in function_lines(line.file, line.function).items() if code == line.code]


def test_formulas_are_numbered_in_order():
    for section in SECTIONS:
        prefix = section.upper()
        numbers = [row.number for row in ROWS if row.number.partition(".")[0] == prefix]
        assert numbers == [f"{prefix}.{k}" for k in range(1, len(numbers) + 1)]
        assert numbers
    assert {row.number.partition(".")[0].lower() for row in ROWS} == set(SECTIONS)


@pytest.mark.parametrize("row", ROWS, ids=[row.number for row in ROWS])
def test_the_lines_named_are_the_functions(row):
    for line in row.lines:
        assert len(places(line)) == 1, f"{row.number}: {line}"


def test_the_tests_named_are_those_of_the_formulas():
    """Each test of these files stands in the row of its number, and each row names tests of its number alone."""
    named = {(test, row.number) for row in ROWS for test in row.tests}
    defined = set()
    for section in SECTIONS:
        file = f"tests/document/test_{section}.py"
        for node in ast.walk(ast.parse((TESTS.parent / file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
                number = re.match(r"test_([A-Z]+)_(\d+)_", node.name)
                assert number, f"{node.name}: expected test_SECTION_NUMBER_..."
                defined.add((f"{file}::{node.name}", f"{number[1]}.{number[2]}"))
    assert named == defined


def test_each_test_executes_the_lines_beside_it(tmp_path):
    """By the equations as they stand, NN_PLAIN=1; of a line with a lambda, the lambda."""
    files = sorted({line.file for row in ROWS for line in row.lines})
    tests = sorted({test for row in ROWS for test in row.tests})
    path = [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "document.tracing"),
            *(f"--lines-to={tmp_path / 'lines.json'}", *(f"--lines-of={file}" for file in files)),
            *(str(TESTS.parent / test) for test in tests),
        ],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path), "NN_PLAIN": "1", "NN_BACKEND": "numpy"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((tmp_path / "lines.json").read_text())
    missing = []
    for row in ROWS:
        for line in row.lines:
            (number,) = places(line)
            for test in row.tests:
                frames = [
                    frame
                    for file, entered, frame in record[test.removeprefix("tests/")]
                    if (file, entered) == (line.file, number)
                ]
                if not frames or ("lambda " in line.code and "<lambda>" not in frames):
                    missing.append(f"{row.number}: {test} does not execute {line}")
    assert not missing, "\n".join(missing)
