"""``{computed} name``: what a function of docs/book/numbers.py gives when the site is built, a table or a figure."""

import importlib
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from .equations import untranslated


class Computed(SphinxDirective):
    """Markdown of a function without arguments; or, of one called ``figure_...``, a drawing."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        made = getattr(importlib.import_module("book.numbers"), name)()
        if name.startswith("figure_"):
            return [nodes.raw("", f'<figure class="drawn">{made}</figure>', format="html")]
        box = nodes.container(classes=["computed"])
        self.state.nested_parse(StringList(made.splitlines(), str(Path("numbers.py"))), self.content_offset, box)
        untranslated(box)
        return [box]


def setup(app: Sphinx) -> dict[str, Any]:
    """Name the directive."""
    app.add_directive("computed", Computed)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
