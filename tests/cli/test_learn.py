"""``xpnn learn`` as a student and a course use it."""

import json

import pytest

from xpnn.__main__ import main
from xpnn.learn import exercises


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


def test_it_speaks_chinese_where_the_environment_does(capsys, monkeypatch):
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert main(["learn"]) == 0
    assert "全连接层" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["learn", "check", "--help"])
    assert "指出错在哪里" in capsys.readouterr().out
    assert main(["learn", "start", "nothing"]) == 1
    assert "没有名为 'nothing' 的练习" in capsys.readouterr().err
    assert main(["learn", "--lang", "en", "start", "nothing"]) == 1
    assert "'nothing' is no exercise: expected one of dense, " in capsys.readouterr().err


def test_no_file_is_written_over(capsys):
    assert main(["learn", "start", "dense"]) == main(["learn", "start", "dense"]) - 1 == 0
    assert "dense.py is there already" in capsys.readouterr().err


def test_the_list_as_json(capsys):
    assert main(["learn", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["exercises"].keys() == exercises().keys()
