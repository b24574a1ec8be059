"""What the documents say of this repository holds: their links, the scripts and sessions they name, their code."""

import re
from pathlib import Path

import pytest
from planted import in_equations, in_forms
from planted.elsewhere import ELSEWHERE

from xpnn.backend.accelerate import EQUATIONS

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY", "CODE_OF_CONDUCT"))]
DOCUMENTS += sorted((ROOT / "docs").glob("*.md"))
RUN = [ROOT / "docs" / f"{name}.md" for name in ("data", "files", "many-machines")]  # whose code runs as it stands
EACH = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
CODE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
SCRIPT = re.compile(r"(?<![\w/.-])(?:tests|benchmarks|examples)/[\w/.-]*\w|\.ci/\w+")


@EACH
def test_every_link_leads_to_a_file(document):
    links = [
        link for link in LINK.findall(INLINE.sub("", CODE.sub("", document.read_text("utf-8")))) if "://" not in link
    ]
    assert [link for link in links if not (document.parent / link).exists()] == []


@EACH
def test_every_script_and_test_that_is_named_exists(document):
    named = set(SCRIPT.findall(document.read_text("utf-8")))
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


@EACH
def test_every_session_that_is_named_exists(document):
    sessions = (ROOT / "noxfile.py").read_text("utf-8")
    named = set(re.findall(r"nox (?:-R )?-s ([a-z][\w-]*)", document.read_text("utf-8")))
    assert [name for name in sorted(named) if f"def {name}(" not in sessions and f'name="{name}"' not in sessions] == []


@pytest.mark.parametrize("document", [*DOCUMENTS[:2], *RUN], ids=lambda path: path.name)
def test_its_examples_run(document, tmp_path, monkeypatch):
    examples = [code for kind, code in CODE.findall(document.read_text("utf-8")) if kind == "python"]
    whole = [code for code in examples if "import xpnn as nn" in code]  # an excerpt of a layer has no imports
    assert whole
    monkeypatch.chdir(tmp_path)  # where the example saves its network
    for code in whole:
        exec(compile(code, str(document), "exec"), {"__name__": "example"})


def test_the_table_of_forms_has_every_equation_and_form():
    rows = re.findall(
        r"^\| (`\w+`.*?) \| (.*?) \| (.*?) \|", (ROOT / "docs" / "backend.md").read_text("utf-8"), re.MULTILINE
    )
    rows = [(set(re.findall(r"`(\w+)`", names)) & EQUATIONS.keys(), cells) for names, *cells in rows]
    assert set().union(*(names for names, _ in rows)) == EQUATIONS.keys()
    for place, folder in enumerate(("cpu", "cuda")):
        listed = re.search(r"FORMS.*", (ROOT / "backend" / folder / "forms.py").read_text("utf-8"), re.DOTALL)
        forms = set(re.findall(r"\w+", listed[0])) & EQUATIONS.keys()
        assert set().union(*(names for names, cells in rows if not cells[place].startswith("none"))) == forms


def test_the_site_lists_every_document():
    listed = set(re.findall(r"^[a-z-]+$", (ROOT / "docs" / "index.md").read_text("utf-8"), re.MULTILINE))
    assert {path.stem for path in (ROOT / "docs").glob("*.md")} - {"index"} <= listed


def test_the_planted_errors_are_counted():
    said = (ROOT / "docs" / "correctness.md").read_text("utf-8")
    equations, forms = len(in_equations.EQUATIONS), len(in_forms.FORMS + in_forms.BLAS)
    slices, updates = len(in_equations.SLICES + in_forms.SLICES), len(in_equations.UPDATES)
    assert f"{equations} planted in the equations and {forms} in the forms" in said
    assert f"{slices} errors planted in a batch's slices (compared with the whole batch), {updates} in the" in said
    assert f"optimisers' equations (with loops over single elements), {len(in_forms.UPDATES)} in their forms" in said
    for number in (equations + forms, slices + updates + len(in_forms.UPDATES), len(ELSEWHERE)):
        assert f"| all {number} |" in said
