"""The command line, as a person uses it."""

import csv
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from border import idx

import xpnn as nn
from xpnn.__main__ import main
from xpnn.cli import commands, job, sources
from xpnn.cli.recipe import Recipe
from xpnn.cli.saved import load_model
from xpnn.data.pictures import read_picture


def run(capsys, *arguments) -> tuple[int, str, str]:
    """Exit status, standard output, standard error."""
    try:
        status = main([str(argument) for argument in arguments])
    except SystemExit as error:
        status = error.code
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder for each image model, trained briefly."""
    folder = tmp_path_factory.mktemp("runs")
    for model in ("mlp", "lenet5", "rnn"):
        assert main(["train", model, "--epochs", "2", "--batch-size", "48", "--out", str(folder / model)]) == 0
    return folder


class Burst:
    """A schedule that is too much for the sixth step."""

    def __call__(self, step: int) -> float:
        return 1e38 if step == 5 else 0.01


@pytest.fixture(scope="module")
def charrnn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    (folder / "text.txt").write_text("the quick brown fox jumps over the lazy dog. " * 30)
    assert main(["train", "charrnn", "--data", str(folder / "text.txt"), "--epochs", "2", "--out", str(folder)]) == 0
    return folder


@pytest.mark.parametrize("model", ["mlp", "lenet5", "rnn"])
def test_train_leaves_parameters_history_and_curves(trained, model, capsys):
    folder = trained / model
    with open(folder / "history.csv", newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2"]
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    status, out, _ = run(capsys, "evaluate", folder)
    assert status == 0
    assert out.startswith("test accuracy ")
    assert out == run(capsys, "evaluate", folder / "model.safetensors")[1]


def test_train_prints_summary_epochs_and_the_final_accuracy(tmp_path, capsys):
    status, out, _ = run(capsys, "train", "mlp", "--epochs", 1, "--out", tmp_path / "new" / "folder")
    assert status == 0
    assert "Dense(64, 256)" in out
    assert "1,438 training samples from digits" in out
    assert "epoch   1  loss" in out
    assert "test accuracy" in out
    assert "saved in" in out


def test_same_seed_same_file(tmp_path, capsys):
    for name in "ab":
        run(capsys, "train", "mlp", "--epochs", 1, "--batch-size", 100, "--seed", 7, "--out", tmp_path / name)
    assert (tmp_path / "a/model.safetensors").read_bytes() == (tmp_path / "b/model.safetensors").read_bytes()


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_optimizers_and_settings(tmp_path, capsys, optimizer):
    arguments = ["--optimizer", optimizer, "--epochs", 2, "--batch-size", 100, "--out", tmp_path]
    status, out, _ = run(capsys, "train", "mlp", *arguments)
    assert status == 0
    assert float(out.split("test accuracy ")[1].split("%")[0]) > 60
    with open(tmp_path / "history.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 2


def test_predict_pictures(trained, tmp_path, capsys):
    from PIL import Image

    data = nn.load_images("digits")
    paths = []
    for k in range(3):
        paths.append(tmp_path / f"{k}.png")
        Image.fromarray(data.x_test[k, 0]).resize((80, 80), Image.Resampling.NEAREST).save(paths[-1])
    status, out, _ = run(capsys, "predict", trained / "lenet5", *paths)
    assert status == 0
    recipe, model = load_model(trained / "lenet5")
    expected = nn.predict(model, recipe.inputs(data.x_test[:3])).argmax(1)
    assert [line.split(": ")[1][0] for line in out.splitlines()] == [str(k) for k in expected]

    digit = data.x_test[0, 0]
    ink = Image.new("RGBA", (8, 8))
    ink.putalpha(Image.fromarray(digit))  # black on nothing
    turned = Image.Exif()
    turned[0x0112] = 6  # a camera held upright: to be turned by 90 degrees
    Image.fromarray(255 - digit).save(tmp_path / "dark.png")
    ink.save(tmp_path / "transparent.png")
    Image.fromarray(65535 - digit.astype(np.uint16) * 257).save(tmp_path / "16bit.png")
    Image.fromarray(np.rot90(255 - digit)).save(tmp_path / "turned.png", exif=turned)
    for name in ("dark", "transparent", "16bit", "turned"):
        same = run(capsys, "predict", trained / "lenet5", tmp_path / f"{name}.png", "--invert")[1]
        assert same.split(": ")[1] == out.splitlines()[0].split(": ")[1] + "\n", name


def test_the_good_ones_of_several_pictures_are_classified(trained, tmp_path, capsys):
    from PIL import Image

    for name in ("a.png", "c\n\x1b.png"):
        Image.fromarray(nn.load_images("digits").x_test[0, 0]).save(tmp_path / name)
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    paths = [tmp_path / name for name in ("a.png", "b.png", "none.png", "c\n\x1b.png", "a.png")]
    status, out, err = run(capsys, "predict", trained / "mlp", *paths)
    assert status == 1
    assert [line.partition(": ")[0].rpartition("/")[2] for line in out.splitlines()] == [
        "a.png",
        "c\\n\\x1b.png",
        "a.png",
    ]
    damaged, missing = err.splitlines()
    assert f"{tmp_path / 'b.png'} is not a readable picture" in damaged
    assert missing == f"xpnn: error: there is no {tmp_path / 'none.png'}"
    assert run(capsys, "predict", trained / "mlp", "/no/x.png") == (2, "", "xpnn: error: there is no /no/x.png\n")
    status, out, err = run(capsys, "predict", trained / "mlp", tmp_path / "b.png")
    assert (status, out, len(err.splitlines())) == (1, "", 1)


def test_a_damaged_tiff_is_one_line(trained, tmp_path, capfd):
    """Of which libtiff, which is C, prints lines of its own."""
    from PIL import Image

    Image.fromarray(np.arange(4096, dtype=np.uint8).reshape(64, 64)).save(tmp_path / "x.tif", compression="tiff_lzw")
    content = (tmp_path / "x.tif").read_bytes()
    (tmp_path / "x.tif").write_bytes(content[:40] + b"\xff" * 400 + content[440:])
    with pytest.raises(ValueError, match="x.tif is not a readable picture"):
        read_picture(tmp_path / "x.tif", (8, 8))
    assert capfd.readouterr().err  # a picture of that sort
    assert main(["predict", str(trained / "mlp"), str(tmp_path / "x.tif")]) == 1
    err = capfd.readouterr().err.splitlines()
    assert len(err) == 1
    assert "x.tif is not a readable picture" in err[0]


def test_evaluate_on_the_test_part_alone(trained, tmp_path, capsys):
    (tmp_path / "t10k-images.idx3-ubyte").write_bytes(idx(np.zeros((20, 8, 8), np.uint8)))
    (tmp_path / "t10k-labels.idx1-ubyte").write_bytes(idx(np.arange(20, dtype=np.uint8) % 10))
    status, out, _ = run(capsys, "evaluate", trained / "mlp", "--data", tmp_path)
    assert status == 0
    assert "test accuracy 10.00%" in out
    status, _, err = run(capsys, "train", "mlp", "--data", tmp_path, "--out", tmp_path / "run")
    assert status == 1
    assert "train-images-idx3-ubyte" in err


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, os.fsdecode(b"caf\xe9")])
def test_data_and_a_folder_of_any_name(tmp_path, capsys, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    for stem in ("train", "t10k"):
        (tmp_path / name / f"{stem}-images-idx3-ubyte").write_bytes(idx(np.zeros((20, 8, 8), np.uint8)))
        (tmp_path / name / f"{stem}-labels-idx1-ubyte").write_bytes(idx(np.arange(20, dtype=np.uint8) % 10))
    status, _, err = run(capsys, "train", "mlp", "--data", name, "--epochs", 1)
    assert status == 0, err
    (folder,) = (tmp_path / "runs").iterdir()
    assert run(capsys, "evaluate", folder, "--data", name)[0] == 0


@pytest.mark.parametrize("name", ["digits", "topics"])
def test_data_of_one_s_own_with_a_built_in_name(tmp_path, capsys, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    if name == "topics":
        (tmp_path / name).write_text("text")
    else:
        (tmp_path / name).mkdir()
        assert run(capsys, "evaluate", ".", "--data", name)[0] == 1  # an empty folder is no data set
        (tmp_path / name / "train-images.idx3-ubyte").write_bytes(b"")
    status, out, err = run(capsys, "evaluate", ".", "--data", name)
    assert (status, out) == (2, "")
    assert f"write ./{name}" in err


def test_evaluate_on_other_data(trained, tmp_path, capsys):
    for stem in ("train", "t10k"):
        (tmp_path / f"{stem}-images-idx3-ubyte").write_bytes(idx(np.zeros((20, 8, 8), np.uint8)))
        (tmp_path / f"{stem}-labels-idx1-ubyte").write_bytes(idx(np.arange(20, dtype=np.uint8) % 10))
    status, out, _ = run(capsys, "evaluate", trained / "mlp", "--data", tmp_path)
    assert status == 0
    assert "test accuracy 10.00%" in out  # all alike, so one class in ten is right

    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(np.zeros((20, 9, 9), np.uint8)))
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(np.zeros((20, 9, 9), np.uint8)))
    status, _, err = run(capsys, "evaluate", trained / "mlp", "--data", tmp_path)
    assert status == 1
    assert "the network was trained on" in err


@pytest.mark.parametrize("labels", [[0, 1], [1, 1], [0, 10]])
def test_evaluate_on_data_with_other_labels(trained, tmp_path, capsys, labels):
    for stem in ("train", "t10k"):
        (tmp_path / f"{stem}-images-idx3-ubyte").write_bytes(idx(np.zeros((2, 8, 8), np.uint8)))
        (tmp_path / f"{stem}-labels-idx1-ubyte").write_bytes(idx(np.array(labels, np.uint8)))
    recipe, model = load_model(trained / "mlp")
    likeliest = int(nn.predict(model, recipe.inputs(np.zeros((1, 1, 8, 8), np.uint8))).argmax())
    status, out, err = run(capsys, "evaluate", trained / "mlp", "--data", tmp_path)
    if max(labels) < 10:
        assert status == 0
        assert f"test accuracy {labels.count(likeliest) / 2:.2%}" in out
    else:
        assert status == 1
        assert "11 classes" in err


def test_sample(charrnn, capsys):
    status, out, _ = run(capsys, "sample", charrnn, "--length", 40, "--prompt", "the ", "--seed", 3)
    assert status == 0
    assert out.startswith("the ")
    assert len(out) == len("the ") + 40 + 1
    assert out == run(capsys, "sample", charrnn, "--length", 40, "--prompt", "the ", "--seed", 3)[1]


def test_evaluate_text(charrnn, capsys):
    status, out, _ = run(capsys, "evaluate", charrnn, "--data", charrnn / "text.txt")
    assert status == 0
    assert "bits per character" in out


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_evaluate_text_in_another_encoding(charrnn, tmp_path, capsys, encoding):
    (tmp_path / "t").write_text("the fox. " * 200, encoding)
    status, out, err = run(capsys, "evaluate", charrnn, "--data", tmp_path / "t", "--encoding", encoding)
    assert status == 0, err
    assert "bits per character" in out


@pytest.mark.parametrize("command", ["evaluate", "predict", "plot"])
def test_pictures_have_no_encoding(trained, tmp_path, capsys, command):
    others = {"evaluate": (), "predict": (tmp_path / "x.png",), "plot": ("--out", tmp_path / "plots")}
    (tmp_path / "x.png").touch()
    status, out, err = run(capsys, command, trained / "mlp", *others[command], "--encoding", "latin-1")
    assert (status, out) == (1, "")
    assert "--encoding is for a text file or a table, not for pictures" in err


def test_evaluate_opens_nothing_that_only_the_file_names(charrnn, capsys, monkeypatch):
    opened = []
    monkeypatch.setattr(sources, "load_text", lambda *arguments, **options: opened.append(arguments))
    status, _, err = run(capsys, "evaluate", charrnn)
    assert status == 1
    assert "says that it was trained on" in err
    assert "--data" in err
    assert opened == []


def test_version(capsys):
    assert run(capsys, "--version") == (0, f"xpnn {nn.__version__}\n", "")


def test_info(trained, capsys):
    status, out, _ = run(capsys, "info")
    assert status == 0
    assert out.splitlines()[0].startswith(f"xpnn {nn.__version__}")
    assert out.splitlines()[1] == nn.describe()
    assert "lenet5, trained on digits" in run(capsys, "info", trained / "lenet5")[1]


def test_gradcheck(capsys):
    status, out, _ = run(capsys, "gradcheck", "Dense", "mlp")
    assert status == 0
    assert "Dense" in out
    assert run(capsys, "gradcheck", "mlp", "--tolerance", "1e-15")[0] == 1  # beyond what differences can tell


@pytest.mark.parametrize(
    "arguments",
    [
        ["gradcheck", "Nonsense"],
        ["fly"],
        ["train"],
        ["train", "resnet"],
        ["train", "mlp", "--data", "nowhere"],
        ["train", "mlp", "--epochs", "0"],
        ["train", "mlp", "--epochs", "two"],
        ["train", "mlp", "--batch-size", "-1"],
        ["train", "mlp", "--lr", "nan"],
        ["train", "mlp", "--lr", "-1"],
        ["train", "mlp", "--optimizer", "lbfgs"],
        ["train", "mlp", "--seed", "-1"],
        ["evaluate", "nowhere"],
        ["predict", "nowhere", "x.png"],
        ["sample", "nowhere"],
        ["sample", ".", "--prompt", ""],
    ],
)
def test_wrong_usage_is_one_line_and_status_2(arguments, capsys):
    status, out, err = run(capsys, *arguments)
    assert status == 2
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("xpnn")
    assert ": error: " in err


def test_without_a_command_there_is_help_and_status_2(capsys):
    status, out, err = run(capsys)
    assert (status, out) == (2, "")
    assert "train a network on real data" in err


class TestFaults:
    """One line and status 1."""

    def fails(self, capsys, *arguments) -> str:
        status, _, err = run(capsys, *arguments)
        assert status == 1
        assert len(err.splitlines()) == 1
        assert err.startswith("xpnn: error: ")
        return err

    def test_no_model_in_the_folder(self, tmp_path, capsys):
        assert "there is no file" in self.fails(capsys, "evaluate", tmp_path)

    def test_file_is_no_model(self, tmp_path, capsys):
        (tmp_path / "model.safetensors").write_bytes(b"nonsense")
        assert "not a readable safetensors file" in self.fails(capsys, "evaluate", tmp_path)

    @pytest.mark.parametrize(
        "recipe",
        [
            None,
            "{",
            "[]",
            json.dumps({"model": "mlp"}),
            json.dumps({"model": "vgg", "data": "digits"}),
            json.dumps({"model": "vgg", "data": "topics", "vocabulary": "ab"}),
            json.dumps({"model": "mlp", "data": "digits", "image_shape": [8], "classes": ["a"]}),
            json.dumps({"model": "mlp", "data": "digits", "image_shape": [8, 8]}),
        ],
    )
    def test_file_without_a_recipe(self, tmp_path, capsys, recipe):
        nn.save(nn.MLP((2, 2)), tmp_path / "m", None if recipe is None else {"xpnn": recipe})
        assert "m was not saved by `xpnn train`" in self.fails(capsys, "evaluate", tmp_path / "m")

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_network_that_is_not_finite(self, trained, tmp_path, capsys, value):
        recipe, model = load_model(trained / "mlp")
        model.params["2.b"][5] = value
        nn.save(model, tmp_path / "model.safetensors", recipe.metadata(nn.History()), optimizer=nn.AdamW())
        (tmp_path / "x.png").write_bytes(b"")
        for command in (
            ["evaluate", tmp_path],
            ["predict", tmp_path, tmp_path / "x.png"],
            ["info", tmp_path],
            ["train", "mlp", "--resume", "--batch-size", "48", "--out", tmp_path],
        ):
            assert "2.b holds NaN or infinity" in self.fails(capsys, *command)

    def test_outputs_that_are_not_finite(self, trained, tmp_path, capsys):
        from PIL import Image

        recipe, model = load_model(trained / "mlp")
        Image.fromarray(np.full((8, 8), 255, np.uint8)).save(tmp_path / "x.png")
        for name in ("0.W", "2.W", "4.W"):
            model.params[name] *= 1e30
        nn.save(model, tmp_path / "model.safetensors", recipe.metadata(nn.History()))
        with np.errstate(all="ignore"):
            assert "evaluate: the loss is nan" in self.fails(capsys, "evaluate", tmp_path)
            assert "outputs hold NaN" in self.fails(capsys, "predict", tmp_path, tmp_path / "x.png")

    def test_training_that_diverges_keeps_the_last_epoch_that_did_not(self, tmp_path, capsys, monkeypatch):
        monkeypatch.setattr(job, "_optimizer", lambda args, steps: nn.SGD(Burst()))
        options = ("train", "mlp", "--epochs", "4", "--batch-size", "719", "--out", tmp_path)
        with np.errstate(all="ignore"):
            assert "of epoch 3's validation" in self.fails(capsys, *options)
            assert len(nn.History.from_csv(tmp_path / "history.csv")) == 2
            assert "of epoch 3's validation" in self.fails(capsys, *options, "--resume")
        assert run(capsys, "evaluate", tmp_path)[0] == 0

    def test_picture_is_none(self, trained, tmp_path, capsys):
        (tmp_path / "x.png").write_text("no picture")
        assert "x.png is not a readable picture" in self.fails(capsys, "predict", trained / "mlp", tmp_path / "x.png")

    def test_text_model_cannot_classify_nor_an_image_model_talk(self, trained, charrnn, tmp_path, capsys):
        assert "try `xpnn sample`" in self.fails(capsys, "predict", charrnn, tmp_path)
        assert "only a charrnn generates text" in self.fails(capsys, "sample", trained / "mlp")

    @pytest.mark.parametrize("prompt", ["Z", "the 🙂", "\udce9"])
    def test_prompt_outside_the_vocabulary(self, charrnn, capsys, prompt):
        status, out, err = run(capsys, "sample", charrnn, "--prompt", prompt)
        assert (status, out) == (1, "")
        assert "is not in the vocabulary" in err

    def test_a_text_in_an_unknown_encoding(self, charrnn, capsys):
        command = "evaluate", charrnn, "--data", charrnn / "text.txt", "--encoding", "nonsense"
        assert "expected one that Python knows" in self.fails(capsys, *command)

    @pytest.mark.parametrize(
        "error", [KeyError("key"), RecursionError("deep"), ZeroDivisionError(), IndexError("i\nj")]
    )
    def test_an_error_that_nobody_has_foreseen(self, capsys, monkeypatch, error):
        def raises():
            raise error

        monkeypatch.setattr(commands, "describe", raises)
        err = self.fails(capsys, "info")
        assert type(error).__name__ in err or str(error) in err
        for command in (["--debug", "info"], ["info", "--debug"]):
            status, _, err = run(capsys, *command)
            assert status == 1
            assert "in raises" in err
            assert err.splitlines()[-1].startswith("xpnn: error: ")

    def test_what_a_message_quotes_commands_no_terminal(self, trained, tmp_path, capsys):
        (tmp_path / "a\x1b[31m\nb").write_bytes(b"")
        err = self.fails(capsys, "evaluate", tmp_path / "a\x1b[31m\nb")
        assert "a\\x1b[31m b" in err

    def test_a_name_longer_than_a_file_s(self, capsys):
        status, out, err = run(capsys, "evaluate", "x" * 5000)
        assert (status, out, len(err.splitlines())) == (2, "", 1)

    def test_corrupt_data(self, tmp_path, capsys):
        (tmp_path / "train-images-idx3-ubyte").write_bytes(b"abc")
        (tmp_path / "train-labels-idx1-ubyte").write_bytes(b"abc")
        (tmp_path / "t10k-images-idx3-ubyte").write_bytes(b"abc")
        (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(b"abc")
        assert "not an IDX file" in self.fails(capsys, "train", "mlp", "--data", tmp_path, "--out", tmp_path)

    def test_output_folder_cannot_be_made(self, tmp_path, capsys):
        (tmp_path / "file").write_text("")
        self.fails(capsys, "train", "mlp", "--out", tmp_path / "file" / "below")


def test_warnings_do_not_stand_between_the_lines(capsys, monkeypatch):
    def warns():
        np.divide(np.float32(1), np.float32(0))
        return "numpy"

    monkeypatch.setattr(commands, "describe", warns)
    assert run(capsys, "info")[::2] == (0, "")
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        run(capsys, "info", "--debug")


def test_sample_escapes_what_a_file_makes_it_say(tmp_path, capsys):
    vocabulary = "\x1b\n\u202ea"
    recipe = Recipe("charrnn", "topics\x1b[2J", vocabulary=vocabulary, options="--epochs 2\nrm")
    nn.save(recipe.build(0), tmp_path / "m", recipe.metadata(nn.History()))
    status, out, _ = run(capsys, "sample", tmp_path / "m", "--length", 60, "--temperature", 9)
    assert status == 0
    assert set(out.replace("\\x1b", "").replace("\\u202e", "")) == {"a", "\n"}
    out = run(capsys, "info", tmp_path / "m")[1]
    assert "trained on topics\\x1b[2J --epochs 2\\nrm\n" in out


def test_the_command_of_another_run_cannot_command_a_shell(trained, tmp_path, capsys):
    recipe = Recipe("mlp", "digits; true", (8, 8), classes=tuple("0123456789"), options="--seed $(true) ; true")
    nn.save(recipe.build(0), tmp_path / "model.safetensors", recipe.metadata(nn.History()))
    err = run(capsys, "train", "mlp", "--out", tmp_path, "--resume")[2]
    assert "xpnn train mlp --data 'digits; true' --seed '$(true)' ';' true" in err


def test_without_matplotlib_training_ends_well(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    status, out, _ = run(capsys, "train", "mlp", "--epochs", 1, "--out", tmp_path)
    assert status == 0
    assert "no curves.png: drawing curves needs matplotlib: install xpnn's extra [plots]" in out


def test_output_that_nobody_reads():
    command = [sys.executable, "-m", "xpnn", "gradcheck", "Dense"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141
