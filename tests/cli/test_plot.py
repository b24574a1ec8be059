"""``xpnn plot``, and the page of a run."""

import os
import subprocess
import sys

import numpy as np
import pytest
from border import idx

import xpnn as nn
from xpnn.__main__ import main
from xpnn.cli.recipe import Recipe


@pytest.fixture(scope="module", autouse=True)
def drawn():
    """Figures are made, but not drawn, which takes most of the time."""
    from matplotlib.figure import Figure

    def write(self, file, format, **options):
        file.write("<svg " if format == "svg" else b"drawn")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", write)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A few pictures, and in it a run on them with its page."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for stem in ("train", "t10k"):
        (folder / f"{stem}-images-idx3-ubyte").write_bytes(idx(rng.integers(0, 256, (9, 5, 4), dtype=np.uint8)))
        (folder / f"{stem}-labels-idx1-ubyte").write_bytes(idx(np.arange(9, dtype=np.uint8) % 3))
    command = ["train", "rnn", "--data", folder, "--epochs", 1, "--report", "--out", folder / "run"]
    assert main([str(argument) for argument in command]) == 0
    return folder


def run(capsys, *arguments):
    status = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def save(path, recipe):
    nn.save(recipe.build(0), path, recipe.metadata(nn.History([{"epoch": 1, "loss": 0.5}])))


def test_pictures(folder, tmp_path, capsys):
    status, out, err = run(capsys, "plot", folder / "run", "--data", folder, "--out", tmp_path)
    assert (status, err) == (0, "")
    names = ["confusion_matrix.png", "curves.png", "saliency.png", "states.png", "weights.png", "wrong.png"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert sorted(out.split(": ")[1].strip().split(", ")) == names
    assert all(path.read_bytes() == b"drawn" for path in tmp_path.iterdir())


def test_the_backend_of_a_notebook_s_kernel_is_not_needed(tmp_path):
    save(tmp_path / "m", Recipe("mlp", "pictures", (5, 4), classes=("a", "b")))
    command, environment = [sys.executable, "-m", "xpnn", "plot", tmp_path / "m"], {"MPLBACKEND": "module://missing"}
    run = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)
    assert (run.returncode, run.stderr) == (0, "")


def test_without_its_data(tmp_path, capsys):
    save(tmp_path / "m", Recipe("mlp", "pictures", (5, 4), classes=("a", "b")))
    status, out, _ = run(capsys, "plot", tmp_path / "m")
    assert status == 0
    assert f"wrote into {tmp_path / 'plots'}: curves.png, filters.png, weights.png\n" in out
    assert "some figures need the run's data (pictures): give them by --data" in out


def test_a_table(tmp_path, capsys):
    rows = "".join(f"{k},{k % 3},{'no' if k % 2 else 'yes'}\n" for k in range(20))
    (tmp_path / "table.csv").write_text("a,b,kind\n" + rows)
    for target, names in (("kind", "confusion_matrix.png, curves.png, weights.png"), ("a", "curves.png, weights.png")):
        run_of = ["--data", tmp_path / "table.csv", "--out", tmp_path / target]
        options = ["--target", target, "--task", "regression" if target == "a" else "classification", "--epochs", 1]
        assert run(capsys, "train", "mlp", *run_of, *options)[0] == 0
        status, out, err = run(capsys, "plot", tmp_path / target, *run_of[:2])
        assert (status, err) == (0, "")
        assert sorted(out.split(": ")[1].strip().split(", ")) == names.split(", ")


def test_states_of_a_character_model(tmp_path, capsys):
    (tmp_path / "text").write_text("ab\n" * 400)
    save(tmp_path / "m", Recipe("charrnn", "text", vocabulary="\nab"))
    status, out, _ = run(capsys, "plot", tmp_path / "m", "--data", tmp_path / "text", "--out", tmp_path / "to")
    assert status == 0
    assert out == f"wrote into {tmp_path / 'to'}: curves.png, states.png, weights.png\n"


def test_the_page_of_a_run(folder):
    page = (folder / "run" / "report.html").read_text("utf-8")
    history = nn.History.from_csv(folder / "run" / "history.csv")
    assert f"<td>{history[0]['loss']:.4g}</td>" in page
    assert "<strong>test accuracy " in page
    assert "--batch-size 16 --optimizer adamw --lr 0.001 --seed 0" in page


def test_the_page_of_a_stranger_s_run(tmp_path, capsys):
    evil = '<img src="http://127.0.0.1:9/evil" onerror="evil()">'
    save(tmp_path / "m", Recipe("mlp", evil, (2, 2), classes=(evil, "'&\udce9"), options=evil, digest=evil))
    status, out, _ = run(capsys, "plot", tmp_path / "m", "--report")
    assert status == 0
    assert f"wrote {tmp_path / 'report.html'}\n" in out
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "<img" not in page
    assert page.count("&lt;img src=&quot;http://127.0.0.1:9/evil&quot; onerror=&quot;evil()&quot;&gt;") == 3


def test_a_report_without_matplotlib_is_refused_before_the_training(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    status, _, err = run(capsys, "train", "rnn", "--data", folder, "--report", "--out", tmp_path / "run")
    assert status == 1
    assert "install xpnn's extra [plots]" in err
    assert not (tmp_path / "run").exists()
