"""Docstrings are plain text, to be read in a terminal: what reStructuredText takes for its own marks is escaped."""

import re
from typing import Any

from sphinx.application import Sphinx

KEPT = re.compile(r"(``.+?``|:\w+:`[^`]+`|https?://\S+)")
MARKS = re.compile(r"([*|\\]|(?<=\w)_(?!\w)|`)")


def escape(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Escape marks outside of literals, of blocks behind ``::`` and of examples."""
    block: int | None = None
    for number, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if block is not None and line.strip() and indent <= block:
            block = None
        if block is None and not line.lstrip().startswith((">>>", "...")):
            parts = KEPT.split(line)
            lines[number] = "".join(part if i % 2 else MARKS.sub(r"\\\1", part) for i, part in enumerate(parts))
            if line.rstrip().endswith("::"):
                block = indent


def setup(app: Sphinx) -> dict[str, Any]:
    """Before napoleon, which adds marks of its own."""
    app.connect("autodoc-process-docstring", escape, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
