"""``{equations} BP.9-10``: rows of docs/equations.md, each with its formula, its line of code and its test."""

import re
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

PAGE = Path(__file__).parents[1] / "equations.md"


@cache
def rows() -> dict[str, list[str]]:
    """Formula, code and test, by number."""
    found = {}
    for line in PAGE.read_text("utf-8").splitlines():
        number, *cells = (cell.strip() for cell in line.strip("|").split(" | "))
        if re.fullmatch(r"[A-Z]+\.\d+", number):
            found[number] = cells
    return found


def numbers(words: str) -> list[str]:
    """BP.9-11 is BP.9, BP.10 and BP.11."""
    section, _, span = words.partition(".")
    first, _, last = span.partition("-")
    return [f"{section}.{number}" for number in range(int(first), int(last or first) + 1)]


class Equations(SphinxDirective):
    """The rows one below the other; a number that the page lacks is an error."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        lines = []
        for number in numbers(self.arguments[0]):
            if number not in rows():
                raise self.error(f"docs/equations.md has no equation {number}")
            formula, code, test = rows()[number]
            tests = ", ".join(re.findall(r"`[^`]+::([^`]+)`", test))
            lines += [f"**{number}**  {formula}", "", *(f"- {one}" for one in code.split("<br>")), f"- `{tests}`", ""]
        box = nodes.container(classes=["equations"])
        self.state.nested_parse(StringList(lines, str(PAGE)), self.content_offset, box)
        untranslated(box)
        return [box]


def untranslated(box: nodes.Element) -> None:
    """What is computed or cited is the same in every language."""
    for node in box.findall(nodes.TextElement):
        node["translatable"] = False


def setup(app: Sphinx) -> dict[str, Any]:
    """Name the directive."""
    app.add_directive("equations", Equations)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
