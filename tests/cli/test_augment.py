"""Pictures that a run changes a little in each epoch."""

import json

import numpy as np
import pytest
from border import idx
from cli.test_commands import run

import xpnn as nn
from xpnn.cli.augment import Epochs, augmentation

pytestmark = pytest.mark.usefixtures("no_curves")


def test_the_words():
    found = augmentation("shift=2,flip,rotate=7.5,crop=0.1,noise=3")
    assert found == {"shift": 2, "flip": True, "rotate": 7.5, "crop": 0.1, "noise": 3.0}


def test_an_epoch_is_the_same_whenever_it_is_begun(rng):
    images, y = rng.integers(0, 256, (10, 1, 6, 5), dtype=np.uint8), np.arange(10)

    def epochs(past):
        history = nn.History({"epoch": k + 1} for k in range(past))
        return Epochs(images, y, lambda pictures: pictures / 255, 4, 3, history, {"shift": 1, "noise": 2})

    first, second = list(epochs(0)), list(epochs(1))
    assert len(first) == len(epochs(0)) == 3
    for one, again in zip(second, epochs(1), strict=True):
        np.testing.assert_array_equal(one[0], again[0])
        np.testing.assert_array_equal(one[1], again[1])
    assert sorted(np.concatenate([labels for _, labels in second])) == y.tolist()
    assert not np.array_equal(np.concatenate([labels for _, labels in first]), np.concatenate([t for _, t in second]))


@pytest.mark.parametrize("model", ["lenet5", "mlp", "rnn"])
def test_a_run_takes_pictures_in_each_layout(model, tmp_path, capsys):
    rng = np.random.default_rng(0)
    for stem, count in (("train", 24), ("t10k", 6)):
        pixels = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        (tmp_path / f"{stem}-images-idx3-ubyte").write_bytes(idx(pixels))
        (tmp_path / f"{stem}-labels-idx1-ubyte").write_bytes(idx(np.arange(count, dtype=np.uint8) % 3))
    command = "train", model, "--data", tmp_path, "--augment", "flip,shift=2", "--epochs", 1, "--json", "--out"
    status, out, _ = run(capsys, *command, tmp_path / "run")
    assert status == 0
    assert "--augment flip,shift=2" in json.loads(out)["options"]
    assert 'augment = "flip,shift=2"' in (tmp_path / "run" / "run.toml").read_text()
    plain = run(capsys, *[word for word in command if word not in ("--augment", "flip,shift=2")], tmp_path / "plain")
    assert json.loads(plain[1])["history"][0]["loss"] != json.loads(out)["history"][0]["loss"]


@pytest.mark.parametrize("word", ["flop", "shift", "shift=1.5", "rotate=x", "crop=1", "shift=-1", ""])
def test_what_is_wrong_is_named(word, capsys):
    status, out, err = run(capsys, "train", "lenet5", "--augment", word)
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert "expected" in err


def test_it_is_for_pictures(tmp_path, capsys):
    (tmp_path / "t.csv").write_text("a,kind\n" + "1,x\n2,y\n" * 9)
    command = "train", "mlp", "--data", tmp_path / "t.csv", "--target", "kind", "--augment", "flip"
    status, _, err = run(capsys, *command, "--out", tmp_path / "run")
    assert status == 1
    assert "--augment is for pictures" in err
