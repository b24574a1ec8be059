"""``xpnn learn`` as a student and a course use it."""

import argparse
import contextlib
import json
import re
from pathlib import Path

import pytest

from xpnn.__main__ import main
from xpnn.learn import exercises, words


@pytest.fixture(autouse=True)
def english(monkeypatch, tmp_path):
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_from_the_list_to_a_green_exercise(capsys, tmp_path):
    assert main(["learn"]) == 0
    assert "conv-loops" in capsys.readouterr().out
    assert main(["learn", "start", "sigmoid"]) == 0
    assert main(["learn", "check", "sigmoid.py"]) == 1
    file = tmp_path / "sigmoid.py"
    empty = file.read_text("utf-8")
    line = empty.splitlines().index("        raise NotImplementedError") + 1
    assert f"backward is not written yet: line {line}" in capsys.readouterr().out
    file.write_text(empty.replace("raise NotImplementedError", "return da * a"), "utf-8")
    assert main(["learn", "check", "sigmoid.py", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["exercise"], found["passed"], found["findings"][0]["slip"]) == (
        "sigmoid",
        False,
        "factor_1_a_missing",
    )
    file.rename(tmp_path / "mine.py").write_text(empty.replace("raise NotImplementedError", "return da * a * (1 - a)"))
    assert main(["learn", "check", "mine.py"]) == 0
    assert capsys.readouterr().out.startswith("Right. dE/dz agree")


def test_hints_come_one_by_one_and_the_solution_when_asked_for(capsys):
    assert main(["learn", "hint", "dense"]) == 0
    assert "hint 1 of 3" in capsys.readouterr().out
    assert main(["learn", "hint", "dense", "--number", "9"]) == 0
    assert "that was the last hint" in capsys.readouterr().out
    assert main(["learn", "solution", "dense"]) == 0
    assert "return dz @ W" in capsys.readouterr().out


CHINESE, ENGLISH = re.compile("[一-鿿]"), re.compile(r"\b(error|expected|usage|options|help|got|there|argument)\b")


@pytest.mark.parametrize(
    "command", ["learn", *(f"learn {name}" for name in ("list", "start", "check", "hint")), "explore"]
)
def test_all_of_the_help_is_in_chinese_where_the_environment_is(command, capsys, monkeypatch):
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    shown = capsys.readouterr().out
    assert not ENGLISH.search(shown.replace("--help", "")), shown
    options = re.split(r"\n  (?=-|[A-Z])", shown.partition("选项")[2].partition("例：")[0])[1:]
    assert all(CHINESE.search(option) for option in options), options
    with pytest.raises(SystemExit):
        main([*command.split(), "--lang", "en", "--help"])
    assert not CHINESE.search(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("learn start nothing", "没有名为 'nothing' 的练习"),
        ("learn start dense --out .", "已经存在"),
        ("learn check nothing.py", "'nothing.py' 不存在"),
        ("learn check .", "'.' 是文件夹"),
        ("learn check mine.py", "mine.py：应在首行写明练习名"),
        ("learn check mine.py --exercise tan", "没有名为 'tan' 的练习"),
        ("learn check mine.py --limit 0", "参数 --limit：应为大于 0 的数，实际为 '0'"),
        ("learn check mine.py --limit", "应有一个值"),
        ("learn hint", "缺少参数：EXERCISE"),
        ("learn hint dense --number 0", "应为不小于 1 的整数"),
        ("learn chek", "没有 'chek' 这一选择"),
        ("learn list --nothing", "无法识别的参数：--nothing"),
        ("learn list --json=1", "不应带有值 '1'"),
        ("learn --from nowhere", "应有练习"),
        ("learn --from bad", "应为 TOML"),
        ("learn --from odd", "缺少：arguments"),
        ("explore nowhere", "参数 MODEL：不存在 nowhere"),
        ("explore .", "没有文件"),
        ("explore --port 70000", "端口应不大于 65535"),
    ],
)
def test_what_is_wrong_is_said_in_chinese(words, says, capsys, tmp_path):
    (tmp_path / "mine.py").write_text("")
    for name, text in (("bad", "="), ("odd", "title = 1")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "one.toml").write_text(text)
    with contextlib.suppress(SystemExit):
        assert main([*words.split(), "--lang", "zh"]) == 1
    said = capsys.readouterr().err
    assert says in said
    assert said.count("错误") == 1
    assert not ENGLISH.search(said.replace("--help", "").replace("./", ""))


def test_no_text_of_the_catalogue_is_left_over():
    package = Path(words.__file__).parents[1]
    rooms = "learn", "explore", "cli", "training"
    code = "".join(path.read_text("utf-8") for room in rooms for path in (package / room).rglob("*.py"))
    code = re.sub(r'"\s+f?"', "", code) + Path(argparse.__file__).read_text("utf-8")
    for english in words.CHINESE:
        first = max(re.split(r"\{\w+\}|%|: install.*", english), key=len)  # needed() joins the last
        assert first in code or english.startswith(("[Errno", "expected texts")), english


def test_no_file_is_written_over(capsys):
    assert main(["learn", "start", "dense"]) == main(["learn", "start", "dense"]) - 1 == 0
    assert "dense.py exists already" in capsys.readouterr().err


def test_the_list_as_json(capsys):
    assert main(["learn", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["exercises"].keys() == exercises().keys()
