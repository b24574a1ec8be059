"""Every link between the built site's pages leads to a page, and to a place on it."""

import ast
import json
import os
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import xpnn.explore

EXAMPLES = Path(__file__).parents[2] / "examples"
SITE = Path(os.environ["XPNN_SITE"])
PAGES = [path for path in sorted(SITE.rglob("*.html")) if "_static" not in path.parts]
OWN = {"a": "href", "link": "href", "script": "src", "img": "src"}


class Page(HTMLParser):
    """A page's links, what it loads, and the places on it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links, self.loads, self.ids = [], [], {""}
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.ids |= {found[key] for key in ("id", "name") if found.get(key)}
        if found.get(OWN.get(tag, "")) and (tag != "link" or "canonical" not in str(found.get("rel"))):
            (self.links if tag == "a" else self.loads).append(found[OWN[tag]])


READ = {path: Page(path) for path in PAGES}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(SITE).as_posix())
def test_no_link_is_dead_and_nothing_is_loaded_from_elsewhere(path):
    dead = []
    for link in READ[path].links + READ[path].loads:
        parts = urlsplit(link)
        if parts.scheme in ("http", "https", "mailto", "data"):
            dead += [link] if link in READ[path].loads and parts.scheme.startswith("http") else []
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        target = target / "index.html" if target.is_dir() else target
        known = READ[target].ids if target in READ else {unquote(parts.fragment)}
        if not target.exists() or unquote(parts.fragment) not in known:
            dead.append(link)
    assert dead == []


def test_both_languages_have_the_same_pages():
    english, chinese = (
        {p.relative_to(SITE / one) for p in PAGES if SITE / one in p.parents} for one in ("en", "zh_CN")
    )
    assert english == chinese
    assert len(english) > 30


def test_the_reference_has_every_public_name():
    from xpnn.interop import c, onnx, sklearn, torch

    places = {place for path in (SITE / "en" / "api").glob("*.html") for place in READ[path].ids}
    rooms = (
        xpnn.layers,
        xpnn.models,
        xpnn.training,
        xpnn.checks,
        xpnn.data,
        xpnn.plots,
        xpnn.learn,
        c,
        onnx,
        sklearn,
        torch,
    )
    names = {f"{room.__name__}.{name}" for room in (*rooms, xpnn.explore) for name in room.__all__}
    names |= {f"xpnn.backend.{name}" for name in xpnn.__all__ if hasattr(xpnn.backend, name) and name != "xp"}
    assert names - places == set()


@pytest.mark.parametrize("script", sorted(EXAMPLES.glob("*.py")), ids=lambda script: script.stem)
def test_each_example_opens_as_a_notebook_that_is_its_script(script):
    page = READ[SITE / "en" / "auto_examples" / f"{script.stem}.html"]
    (link,) = {link for link in page.links if link.endswith(f"/{script.stem}.ipynb")}
    notebook = json.loads((SITE / "en" / "auto_examples" / link).read_text("utf-8"))
    code = "\n".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code")
    whole = ast.parse(script.read_text("utf-8"))
    assert ast.dump(ast.parse(code)) == ast.dump(ast.Module(whole.body[1:], []))  # its docstring is a cell of text
