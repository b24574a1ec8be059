"""Links between files, as a checkout has them, led to the site's pages."""

import os
import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(?<!\!)\[([^\[\]]*)\]\(([^)#\s:]+)(#[^)\s]*)?\)")
CODE = re.compile(r"(^```.*?^```$|`[^`\n]*`)", re.MULTILINE | re.DOTALL)
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "examples": "auto_examples/index.rst"}
INCLUDED = {"index": "README.md", "contributing": "CONTRIBUTING.md"}


def led(text: str, base: Path, page: Path) -> str:
    """The text of a file in the folder ``base``, with links that hold on a page of the site."""

    def replaced(match: re.Match[str]) -> str:
        words, path, anchor = match[1], match[2], match[3] or ""
        target = Path(os.path.normpath(base / path))
        name = target.relative_to(ROOT).as_posix()
        if name in PAGES:
            target = ROOT / "docs" / PAGES[name]
        elif target.is_dir():
            return words
        elif target.suffix == ".md" and ROOT / "docs" not in target.parents:
            return f"{{download}}`{words} <{os.path.relpath(target, page.parent)}>`"
        return f"[{words}]({os.path.relpath(target, page.parent)}{anchor})"

    parts = CODE.split(text)
    return "".join(part if i % 2 else LINK.sub(replaced, part) for i, part in enumerate(parts))


def read(app: Sphinx, docname: str, source: list[str]) -> None:
    """Before a document is parsed: put what it includes in, and lead its links."""
    page = Path(app.srcdir, docname)
    if docname.startswith("auto_examples"):
        return
    text = led(source[0], page.parent, page)
    if docname in INCLUDED:
        file = ROOT / INCLUDED[docname]
        text = text.replace("{{ included }}", led(file.read_text("utf-8"), ROOT, page))
    source[0] = text


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect it."""
    app.connect("source-read", read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
