"""The page's words and equations, and the page that is kept in a file."""

import json
import re
from pathlib import Path

import pytest

from xpnn.__main__ import main
from xpnn.explore import frozen
from xpnn.explore.pages import EQUATIONS, HERE, SCRIPTS, WORDS

EQUATIONS_PAGE = (Path(__file__).parents[2] / "docs" / "equations.md").read_text("utf-8")


def test_every_text_is_there_in_both_languages_with_the_same_values():
    for key, texts in WORDS.items():
        assert texts.keys() == {"en", "zh"}
        assert len({frozenset(re.findall(r"\{\w+\}", text)) for text in texts.values()}) == 1, key
    script = "".join((HERE / f"{name}.js").read_text("utf-8") for name in SCRIPTS)
    used = set(re.findall(r'say\("(\w+)"[,)]', script))
    made = {key for key in WORDS if key.startswith(("tab_", "sum_", "kernel_", "place", "slopes", "kernel"))}
    assert used <= WORDS.keys() <= used | made


@pytest.mark.parametrize("key", EQUATIONS)
def test_every_equation_stands_in_the_documents_table_with_its_line(key):
    number, file, line = (EQUATIONS[key][name] for name in ("number", "file", "line"))
    assert line in (HERE.parent / file).read_text("utf-8")
    if number:
        (row,) = re.findall(rf"^\| {re.escape(number)} \|.*$", EQUATIONS_PAGE, re.MULTILINE)
        assert f"`{file}`" in row
        assert f"`{line}" in row


def test_a_kept_page_holds_the_answers_of_its_samples(pictures):
    page = frozen(pictures, (2,), "zh")
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])
    answers = {tuple(map(str, json.loads(key))): value for key, value in data["frozen"]["answers"].items()}
    assert answers["pass", "2"] == pictures.passed(2)
    kept = [key for key in answers if key[0] == "unit"]
    assert len(kept) == 11
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", page)
    assert data["language"] == "zh"


def test_the_command_refuses_another_network_and_says_what_it_wants(capsys, tmp_path):
    import xpnn as nn

    nn.save(nn.MLP((4, 2), rng=0), tmp_path / "m.safetensors", classes=("a", "b"),
            preprocessing=nn.Pixels((1, 2, 2), 0.0, 1.0, "flat"))  # fmt: skip
    assert main(["explore", str(tmp_path / "m.safetensors"), "--export", str(tmp_path / "page.html")]) == 1
    assert "expected a lenet5, got" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["explore", "--port", "70000"])
