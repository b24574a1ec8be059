"""docs/command-line.md: its examples run, in their order."""

import runpy
import shlex
from pathlib import Path

import pytest
from cli.test_commands import run
from test_documents import CODE

DOCUMENT = Path(__file__).parents[2] / "docs" / "command-line.md"


def test_its_examples_run(tmp_path, capsys, monkeypatch, no_curves):
    pytest.importorskip("sklearn")
    pytest.importorskip("onnx")
    monkeypatch.chdir(tmp_path)
    commands = 0
    for kind, code in CODE.findall(DOCUMENT.read_text("utf-8")):
        if kind == "python":
            (tmp_path / "nets.py").write_text(code)
            runpy.run_path("nets.py", run_name="__main__")
        for line in code.splitlines() if kind == "sh" else ():
            status, out, err = run(capsys, *shlex.split(line)[1:])
            assert (status, err) == (0, ""), line
            assert out
            commands += 1
    assert commands == 7
