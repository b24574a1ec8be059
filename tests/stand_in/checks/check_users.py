"""What wraps the package crosses the border too: the commands and the estimators, on a little data."""

import numpy as np
import pytest
from border import idx

import xpnn as nn
from xpnn.__main__ import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four IDX files of images whose left or right half is bright."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for stem in "train", "t10k":
        labels = np.arange(24, dtype=np.uint8) % 2
        bright = (np.arange(8) >= 4) == labels[:, None, None]
        pixels = rng.integers(0, 60, (24, 8, 8)) + 180 * bright
        (folder / f"{stem}-images-idx3-ubyte").write_bytes(idx(pixels.astype(np.uint8)))
        (folder / f"{stem}-labels-idx1-ubyte").write_bytes(idx(labels))
    return folder


def run(*words) -> int:
    return main([str(word) for word in words])


@pytest.mark.parametrize("model", ["mlp", "lenet5", "rnn"])
def test_commands_on_images(model, folder, tmp_path, capsys):
    out = tmp_path / model
    assert run("train", model, "--data", folder, "--epochs", 2, "--batch-size", 8, "--out", out) == 0
    capsys.readouterr()
    assert run("evaluate", out, "--data", folder) == 0
    assert float(capsys.readouterr().out.split("accuracy ")[1].split("%")[0]) > 75  # guessing: 50
    Image = pytest.importorskip("PIL.Image")
    Image.fromarray(np.full((8, 8), 90, np.uint8)).save(tmp_path / "a.png")
    assert run("predict", out, tmp_path / "a.png") == 0
    assert run("info", out) == 0


def test_gradcheck(capsys):
    assert run("gradcheck", "Dense") == 0
    assert "on cupy" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["NetworkClassifier", "NetworkRegressor"])
def test_estimators(kind):
    estimators = pytest.importorskip("xpnn.interop.sklearn")
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 3)).astype("float32")
    y = (x[:, 0] > 0).astype(int) if kind == "NetworkClassifier" else x @ [1.0, 2.0, 3.0]
    estimator = getattr(estimators, kind)((16,), optimizer=nn.Adam(0.02), epochs=20, batch_size=16, random_state=0)
    assert estimator.fit(x, y).score(x, y) > 0.9
    assert isinstance(estimator.predict(x), np.ndarray)
