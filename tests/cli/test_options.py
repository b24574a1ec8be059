"""Options of the command line that change what a run is, what it prints, and where its options come from."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from border import idx
from cli.test_commands import run
from PIL import Image

import xpnn as nn
from xpnn.__main__ import main
from xpnn.cli.saved import load_model
from xpnn.training.files.sealed import sealed

pytestmark = pytest.mark.usefixtures("no_curves")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A few pictures that tell nothing of their classes."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for stem, count in (("train", 48), ("t10k", 24)):
        (folder / f"{stem}-images-idx3-ubyte").write_bytes(idx(rng.integers(0, 256, (count, 6, 5), dtype=np.uint8)))
        (folder / f"{stem}-labels-idx1-ubyte").write_bytes(idx(np.arange(count, dtype=np.uint8) % 3))
    return folder


@pytest.fixture(scope="module")
def rnn(data, no_curves):
    """The folder of a run."""
    options = "--hidden", "7", "--cell", "lstm", "--dropout", "0.3", "--epochs", "2", "--seed", "3", "--lr", "1e-5"
    assert main(["train", "rnn", "--data", str(data), *options, "--out", str(data / "rnn")]) == 0
    return data / "rnn"


def model(folder):
    return (folder / "model.safetensors").read_bytes()


class TestNetworks:
    @pytest.mark.parametrize(
        ("options", "layers"),
        [
            (("mlp", "--hidden", "9,8"), "Dense(30, 9), ReLU(), Dense(9, 8), ReLU(), Dense(8, 3)"),
            (("mlp", "--hidden", "9", "--dropout", "0.5"), "Dense(30, 9), ReLU(), Dropout(0.5), Dense(9, 3)"),
            (("rnn", "--cell", "gru", "--hidden", "4"), "GRU(5, 4), Dense(4, 3)"),
        ],
    )
    def test_layers(self, options, layers, data, tmp_path, capsys):
        assert run(capsys, "train", *options, "--data", data, "--epochs", 1, "--out", tmp_path)[0] == 0
        assert layers in repr(load_model(tmp_path)[1])
        assert run(capsys, "evaluate", tmp_path, "--data", data)[0] == 0

    def test_lenet5_of_1998_learns_by_the_paper_s_criterion(self, data, tmp_path, capsys):
        status, *_ = run(capsys, "train", "lenet5", "--variant", 1998, "--data", data, "--epochs", 1, "--out", tmp_path)
        assert status == 0
        recipe, network = load_model(tmp_path)
        assert "RBF(<3 centers of 84 features>)" in repr(network)
        pictures = nn.load_images(str(data))
        loss = nn.evaluate(network, recipe.inputs(pictures.x_test), pictures.y_test, loss=nn.RBFLoss()).loss
        assert nn.History.from_csv(tmp_path / "history.csv")[0]["val_loss"] == pytest.approx(loss, rel=1e-5)

    @pytest.mark.parametrize(
        ("options", "status", "message"),
        [
            (("mlp", "--cell", "lstm"), 1, "are for rnn and charrnn, got 'lstm'"),
            (("lenet5", "--hidden", "8"), 1, "its layers have fixed sizes: leave out --hidden"),
            (("mlp", "--variant", "1998"), 1, "are for lenet5"),
            (("mlp", "--hidden", "8,0"), 2, "expected sizes of layers, such as 128 or 128,64, got '8,0'"),
            (("mlp", "--hidden", ""), 2, "expected sizes of layers"),
            (("mlp", "--dropout", "1"), 2, "expected a number of at least 0 and below 1, got '1'"),
            (("rnn", "--cell", "elman"), 2, "invalid choice: 'elman'"),
        ],
    )
    def test_options_that_do_not_go_together(self, options, status, message, data, tmp_path, capsys):
        found, out, err = run(capsys, "train", *options, "--data", data, "--out", tmp_path / "run")
        assert (found, out, len(err.splitlines())) == (status, "", 1)
        assert message in err
        assert not (tmp_path / "run").exists()


class TestEarlyStopping:
    def test_the_best_epoch_is_the_result(self, data, tmp_path, capsys):
        """Of a run on data that cannot be learnt: the held-out loss soon rises."""
        command = "train", "mlp", "--data", data, "--lr", 0.01, "--epochs", 30, "--early-stopping", 2
        status, out, _ = run(capsys, *command, "--out", tmp_path)
        assert status == 0
        history = nn.History.from_csv(tmp_path / "history.csv")
        losses = history.column("val_loss")
        assert np.argmin(losses) == len(losses) - 3
        assert f"the network of epoch {len(losses) - 2} of {len(losses)}" in out
        scores = json.loads(run(capsys, "evaluate", tmp_path, "--data", data, "--json")[1])
        assert scores["loss"] == pytest.approx(min(losses), rel=1e-6)
        last = json.loads(run(capsys, "evaluate", tmp_path / "model.safetensors", "--data", data, "--json")[1])
        assert last["loss"] == pytest.approx(losses[-1], rel=1e-6)

    def test_a_run_without_it_leaves_no_best_epoch_of_another(self, data, tmp_path, capsys):
        command = "train", "mlp", "--data", data, "--epochs", 1, "--out", tmp_path
        assert run(capsys, *command, "--early-stopping", 2)[0] == 0
        assert (tmp_path / "best.safetensors").exists()
        assert run(capsys, *command, "--overwrite")[0] == 0
        assert not (tmp_path / "best.safetensors").exists()


class TestConfig:
    def test_gives_the_same_run_again(self, rnn, tmp_path, capsys):
        assert run(capsys, "train", "--config", rnn / "run.toml", "--out", tmp_path)[0] == 0
        assert model(tmp_path) == model(rnn)
        assert (tmp_path / "run.toml").read_bytes() == (rnn / "run.toml").read_bytes()

    def test_of_a_run_that_went_on(self, rnn, tmp_path, capsys):
        """Whose learning rate has fallen meanwhile."""
        command = "train", "--config", rnn / "run.toml", "--out", tmp_path
        for more in (("--epochs", 1), ("--resume",)):
            assert run(capsys, *command, *more)[0] == 0
        assert (tmp_path / "run.toml").read_bytes() == (rnn / "run.toml").read_bytes()
        assert "epochs are done" in run(capsys, "train", "--config", tmp_path / "run.toml", *command[3:], "--resume")[1]

    def test_the_command_line_wins(self, rnn, tmp_path, capsys):
        command = "train", "--debug", "--epochs", 1, "rnn", "--config", rnn / "run.toml", "--seed", 0, "--out", tmp_path
        assert run(capsys, *command)[0] == 0
        assert len(nn.History.from_csv(tmp_path / "history.csv")) == 1
        text = (tmp_path / "run.toml").read_text()
        assert "\nseed = 0\n" in text
        assert '\ncell = "lstm"\n' in text

    def test_names_of_any_sort(self, tmp_path, capsys):
        """Also a byte of a name that is no UTF-8, and what TOML and JSON escape differently."""
        column = 'a "b"\\ \x7f\u2028é'
        rows = "".join(f"{k},{k % 3},{'no' if k % 2 else 'yes'}\n" for k in range(20))
        path = tmp_path / "t\udce9.csv"
        path.write_text('"' + column.replace('"', '""') + '",b,kind\n' + rows, encoding="utf-8")
        command = "train", "mlp", "--data", path, "--target", "kind", "--drop", column, "--drop", "b", "--epochs", 1
        assert run(capsys, *command[:-4], "--epochs", 1, "--out", tmp_path / "a")[0] == 0
        config = "--config", tmp_path / "a" / "run.toml"
        assert run(capsys, "train", *config, "--out", tmp_path / "b")[0] == 0
        assert model(tmp_path / "a") == model(tmp_path / "b")
        assert run(capsys, "train", *config, "--drop", "b", "--out", tmp_path / "c")[0] == 0
        assert load_model(tmp_path / "c")[0].table.width == 1

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('epoch = 3\nmodel = "mlp"', "unknown option 'epoch': expected one of model, data, target"),
            ("config = 'x'", "unknown option 'config'"),
            ("[train]\nepochs = 3", "unknown option 'train'"),
            ("epochs = {a = 1}", "epochs: expected a text, a number or a list, got {'a': 1}"),
            ("epochs = true", "epochs: expected a text, a number or a list, got True"),
            ("report = 1", "report: expected true or false, got 1"),
            ("epochs = 'two'", "x.toml: argument --epochs: expected a whole number of at least 1, got 'two'"),
            ("model = 'vgg'", "x.toml: argument model: invalid choice: 'vgg'"),
            ("resume = true\noverwrite = true", "x.toml: argument --overwrite: not allowed with argument --resume"),
            ("epochs = ", "x.toml: not a TOML file"),
            ("epochs = 3", "expected a model: mlp, lenet5, rnn, charrnn"),
        ],
    )
    def test_what_is_wrong_is_named(self, text, message, tmp_path, capsys):
        (tmp_path / "x.toml").write_text(text)
        status, out, err = run(capsys, "train", "--config", tmp_path / "x.toml", "--out", tmp_path / "run")
        assert (status, out, len(err.splitlines())) == (2, "", 1)
        assert message in err
        assert not (tmp_path / "run").exists()

    def test_flags_and_lists(self, data, tmp_path, capsys):
        (tmp_path / "x.toml").write_text("quiet = true\nreport = false\nhidden = [4, 3]\nepochs = 1\n")
        command = "train", "mlp", "--data", data, "--config", tmp_path / "x.toml", "--out", tmp_path
        assert run(capsys, *command) == (0, "", "")
        assert load_model(tmp_path)[0].hidden == (4, 3)


class TestOutput:
    """``run`` gives status, standard output and standard error."""

    def test_json_of_a_run(self, data, tmp_path, capsys):
        command = "train", "mlp", "--data", data, "--epochs", 2, "--json", "--out"
        status, out, err = run(capsys, *command, tmp_path / "a")
        assert status == 0
        assert "epoch   2" in err
        said = json.loads(out)
        assert [row["epoch"] for row in said["history"]] == [1, 2]
        assert said["test"]["accuracy"] == pytest.approx(said["history"][1]["val_accuracy"])
        assert said["out"] == str(tmp_path / "a")
        status, quiet, err = run(capsys, *command, tmp_path / "b", "--quiet")
        assert (status, err) == (0, "")
        assert json.loads(quiet)["test"] == said["test"]

    def test_json_of_a_network(self, rnn, data, tmp_path, capsys):
        assert json.loads(run(capsys, "info", "--json")[1])["version"] == nn.__version__
        said = json.loads(run(capsys, "info", rnn, "--json")[1])
        assert (said["model"], said["classes"], said["epochs"]) == ("rnn", ["0", "1", "2"], 2)
        assert said["layers"][0] == "LSTM(5, 7)"
        scores = json.loads(run(capsys, "evaluate", rnn, "--data", data, "--json")[1])
        assert scores == {**scores, "data": str(data), "samples": 24}
        assert f"accuracy {scores['accuracy']:.2%}" in run(capsys, "evaluate", rnn, "--data", data)[1]

    def test_json_of_predictions(self, rnn, tmp_path, capsys):
        Image = pytest.importorskip("PIL.Image")
        for name in ("a", "b"):
            Image.fromarray(np.eye(6, 5, dtype=np.uint8) * 255).save(tmp_path / f"{name}.png")
        status, out, err = run(capsys, "predict", rnn, *(tmp_path / f"{x}.png" for x in "axb"), "--json")
        assert (status, len(err.splitlines())) == (1, 1)  # there is no x.png
        first, second = map(json.loads, out.splitlines())
        assert (first["file"], second["file"]) == (str(tmp_path / "a.png"), str(tmp_path / "b.png"))
        assert first["probabilities"][first["class"]] == first["probability"] == max(first["probabilities"].values())
        assert sum(first["probabilities"].values()) == pytest.approx(1, abs=1e-6)

    def test_json_of_rows(self, tmp_path, capsys):
        (tmp_path / "t.csv").write_text("a,b,kind\n" + "".join(f"{k},{k / 7},{'xy'[k % 2]}\n" for k in range(20)))
        for target in ("kind", "b"):
            table = "--data", tmp_path / "t.csv", "--target", target
            assert run(capsys, "train", "mlp", *table, "--epochs", 1, "--out", tmp_path / target)[0] == 0
            lines = run(capsys, "predict", tmp_path / target, tmp_path / "t.csv", "--json")[1].splitlines()
            rows = run(capsys, "predict", tmp_path / target, tmp_path / "t.csv")[1].splitlines()[1:]
            said = [json.loads(line) for line in lines]
            assert [one["row"] for one in said] == list(range(1, 21))
            if target == "kind":
                assert [f"{one['class']},{one['probability']:.4f}" for one in said] == rows
            else:
                assert [f"{one['value']:.6g}" for one in said] == rows
        scores = json.loads(run(capsys, "evaluate", tmp_path / "b", "--data", tmp_path / "t.csv", "--json")[1])
        assert {"r2", "rmse"} < scores.keys()

    @pytest.mark.parametrize("model", ["mlp", "rnn"])
    def test_a_dry_run_writes_nothing(self, model, data, tmp_path, capsys, monkeypatch):
        monkeypatch.chdir(tmp_path)
        command = "train", model, "--data", data, "--dry-run", "--batch-size", 12 if model == "mlp" else 48
        status, out, _ = run(capsys, *command)
        assert status == 0
        assert "time " in out
        assert "nothing was written" in out
        said = json.loads(run(capsys, *command, "--json")[1])
        size = load_model_size(model)
        assert said["parameters"] == size
        assert said["bytes"]["network"] == 4 * 4 * size  # parameters, gradients and two moments, in float32
        assert said["bytes"]["data"] == 48 * (30 * 4 + 8)
        assert said["bytes"]["step"] > 0
        assert 0 < said["step_seconds"] < 5
        assert said["steps"] == (4 if model == "mlp" else 1)
        assert list(tmp_path.iterdir()) == []


def load_model_size(model):
    network = nn.MLP((30, 256, 128, 3)) if model == "mlp" else nn.RNNClassifier(5, 128, 3)
    return network.flat_params.size


class TestFilesOfTheLibrary:
    def test_info_says_what_there_is(self, tmp_path, capsys):
        """Of a file that is not whole, its arrays; else its layers."""
        (tmp_path / "arrays").write_bytes(b"".join(sealed({"0.W": np.zeros((2, 3), "f4"), "0.b": np.zeros(2, "f4")})))
        status, out, _ = run(capsys, "info", tmp_path / "arrays")
        assert status == 0
        assert "0.W  float32 (2, 3)\n0.b  float32 (2,)\n8 elements in all\n" in out
        assert "save it by xpnn.save(model, path, classes=..., preprocessing=...)" in out
        said = json.loads(run(capsys, "info", tmp_path / "arrays", "--json")[1])
        assert said["arrays"] == {"0.W": ["float32", 2, 3], "0.b": ["float32", 2]}
        nn.save(nn.Sequential(nn.Dense(3, 2), nn.ReLU()), tmp_path / "m")
        status, out, _ = run(capsys, "info", tmp_path / "m")
        assert "0 Dense(3, 2)                         8\n" in out
        assert "save it by xpnn.save(model, path, classes=..., preprocessing=...)" in out

    def test_a_network_that_python_saved(self, tmp_path, capsys, monkeypatch):
        """A graph, which no command could build: evaluated, asked, drawn and exported from its file alone."""
        digits = nn.load_images("digits")
        prepare = nn.Pixels((1, 8, 8), 0.3, 0.4)
        nodes = {
            "a": nn.Conv2D(1, 4, 3, padding=1, rng=0),
            "b": nn.Tanh(),
            "s": (nn.Add(), "a", "b"),
            "p": nn.MaxPool2D(2),
        }
        model = nn.Graph({**nodes, "f": nn.Flatten(), "y": nn.Dense(64, 10, rng=0)})  # its shape is the pictures'
        nn.fit(model, prepare(digits.x_train), digits.y_train, epochs=1, verbose=False, rng=0)
        nn.save(model, tmp_path / "m", classes=digits.classes, preprocessing=prepare)
        expected = nn.evaluate(model, prepare(digits.x_test), digits.y_test)
        scores = json.loads(run(capsys, "evaluate", tmp_path / "m", "--data", "digits", "--json")[1])
        assert scores["accuracy"] == pytest.approx(expected.accuracy)
        assert run(capsys, "evaluate", tmp_path / "m")[0] == 1
        Image.fromarray(digits.x_test[0, 0]).save(tmp_path / "p.png")
        said = json.loads(run(capsys, "predict", tmp_path / "m", tmp_path / "p.png", "--json")[1])
        p = nn.predict(nn.Sequential(model, nn.Softmax()), prepare(digits.x_test[:1]))[0]
        np.testing.assert_allclose([*said["probabilities"].values()], p, atol=1e-6)
        assert "s Add()" in run(capsys, "info", tmp_path / "m")[1]
        assert run(capsys, "export", tmp_path / "m", tmp_path / "m.onnx", "--raw")[::2] == (0, "")
        onnxruntime = pytest.importorskip("onnxruntime")
        session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
        (got,) = session.run(None, {"pixels": digits.x_test[:5]})
        np.testing.assert_allclose(got, nn.predict(model, prepare(digits.x_test[:5])), atol=1e-5)
        assert json.loads(session.get_modelmeta().custom_metadata_map["classes"]) == [*digits.classes]

    @pytest.mark.parametrize(
        ("shape", "classes", "message"),
        [
            ((1, 8, 8), "ab", "it names 2 classes, but its network outputs (3,) for a sample"),
            ((1, 8, 8), "a", "it names 1 class, but its network outputs (3,) for a sample"),
            ((3, 8, 8), "abc", "its network does not accept its preprocessing's output (Dense(64, 3): expected"),
        ],
    )
    def test_a_file_that_contradicts_its_network(self, shape, classes, message, tmp_path, capsys):
        model = nn.Sequential(nn.Flatten(), nn.Dense(64, 3))
        nn.save(model, tmp_path / "m", classes=tuple(classes), preprocessing=nn.Pixels(shape))
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "p.png")
        status, _, err = run(capsys, "predict", tmp_path / "m", tmp_path / "p.png")
        assert status == 1
        assert message in err

    @pytest.mark.parametrize(
        ("network", "message"),
        [
            ("nets.py", "expected FILE.py:FUNCTION, and a file that exists"),
            ("none.py:wrong", "expected FILE.py:FUNCTION, and a file that exists"),
            ("nets.py:absent", "expected a function 'absent' in nets.py that returns a network, got None"),
            ("nets.py:number", "that returns a network, got 7"),
            ("nets.py:wrong", "does not fit the model"),
        ],
    )
    def test_a_network_that_is_not_named_rightly(self, network, message, data, tmp_path, capsys, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "nets.py").write_text("import xpnn\ndef number(): return 7\ndef wrong(): return xpnn.Dense(2, 2)\n")
        recipe = train_recipe(data)
        nn.save(nn.Sequential(nn.Flatten(), nn.Dense(30, 3)), "m", recipe.metadata())
        named = () if network is None else ("--network", network)
        status, out, err = run(capsys, "evaluate", "m", "--data", data, *named)
        assert (status, out, len(err.splitlines())) == (1, "", 1)
        assert message in err


def train_recipe(data):
    from xpnn.cli.recipe import OWN, Recipe

    return Recipe.for_images(OWN, nn.load_images(str(data)))


def test_export(rnn, tmp_path, capsys):
    onnx = pytest.importorskip("onnx")
    status, out, _ = run(capsys, "export", rnn, "--out", tmp_path / "m.onnx")
    assert status == 0
    assert f"wrote {tmp_path / 'm.onnx'}; its input: pixels / 255, less 0.488" in out
    assert {node.op_type for node in onnx.load(tmp_path / "m.onnx").graph.node} >= {"LSTM"}


def test_export_to_c(rnn, tmp_path, capsys):
    status, out, _ = run(capsys, "export", rnn, tmp_path / "m.c", "--int8")
    assert status == 0
    accuracies = [float(text) for text in re.findall(r"weights: test accuracy ([\d.]+)%", out)]
    assert abs(accuracies[0] - accuracies[1]) < 1
    assert f"wrote {tmp_path / 'm.c'}: " in out
    assert "void xpnn_step(const float *x, float *state, float *y)" in (tmp_path / "m.c").read_text()
    status, _, err = run(capsys, "export", rnn, tmp_path / "m.onnx", "--int8")
    assert status == 1
    assert "--int8 is for C: name a file that ends in .c" in err
    status, _, err = run(capsys, "export", rnn, tmp_path / "m.onnx", "--data", "digits")
    assert (status, "--data: needs --int8, which tests the network" in err) == (1, True)
    status, _, err = run(capsys, "export", rnn, tmp_path / "m.txt")
    assert (status, (tmp_path / "m.txt").exists()) == (1, False)
    assert "m.txt: expected a file that ends in .onnx or .c" in err


def test_what_python_has_saved_without_a_recipe(tmp_path, capsys):
    """A model of characters and a network of a table say enough in their own words."""
    nn.save(nn.CharRNN("abc\n", 4, rng=0), tmp_path / "text")
    assert run(capsys, "info", tmp_path / "text")[1].split("\n\n")[1].startswith("a network for text\nlayer ")
    assert len(run(capsys, "sample", tmp_path / "text", "--length", 5)[1]) == 6
    status, _, err = run(capsys, "export", tmp_path / "text", "m.onnx", "--raw")
    assert (status, "is a network for texts, whose input is always indices of characters" in err) == (1, True)
    status, _, err = run(capsys, "export", tmp_path / "text", "m.c", "--raw")
    assert (status, err) == (1, "xpnn: error: m.c: --raw and --lengths are for ONNX\n")
    encoder = nn.TableEncoder.fit({"a": [0.0, 1.0, 2.0, 3.0], "kind": list("uvuv")}, "kind")
    nn.save(nn.MLP((1, 2), rng=0), tmp_path / "table", preprocessing=encoder)
    (tmp_path / "new.csv").write_text("a\n1\n")
    assert run(capsys, "predict", tmp_path / "table", tmp_path / "new.csv")[1].startswith("kind,probability\n")
    out = run(capsys, "export", tmp_path / "table", tmp_path / "m.c")[1]
    assert out.endswith("; its input: the columns as the network's table encodes them\n")


@pytest.mark.parametrize("missing", ["onnx", "shtab"])
def test_what_is_missing_is_named(missing, rnn, tmp_path, capsys, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("xpnn.interop.onnx")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    command = ("export", rnn, "--out", tmp_path / "m") if missing == "onnx" else ("completion", "bash")
    status, _, err = run(capsys, *command)
    assert status == 1
    assert f"install xpnn's extra [{'onnx' if missing == 'onnx' else 'completion'}]" in err


def test_bash_completes(capsys, tmp_path):
    pytest.importorskip("shtab")
    (tmp_path / "script").write_text(run(capsys, "completion", "bash")[1])
    begun = ("train --co", 2), ("learn check scr", 3)
    words = ". ./script" + "".join(
        f'; COMP_WORDS=(xpnn {line}); COMP_CWORD={last}; _shtab_xpnn x {line.split()[-1]}; echo "${{COMPREPLY[@]}}"'
        for line, last in begun
    )
    done = subprocess.run(["bash", "-c", words], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.split() == ["--config", "script"], done.stderr
    for shell in ("zsh", "fish"):
        assert "--early-stopping" in run(capsys, "completion", shell)[1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("trian", "xpnn: error: argument COMMAND: invalid choice: 'trian'"),
        ("train mlp --epcohs 2", "xpnn train: error: unrecognized arguments: --epcohs 2; did you mean --epochs? (see"),
        ("train mlp lenet5", "xpnn train: error: unrecognized arguments: lenet5 (see"),
        ("train MLP", "; did you mean mlp? (see xpnn train --help)"),
        ("train mlp --optimizer=adma", "; did you mean adam? (see"),
        ("learn solutoin", "; did you mean solution? (see xpnn learn --help)"),
        ("learn list --jsn", "xpnn learn list: error: unrecognized arguments: --jsn; did you mean --json? (see"),
        ("info --nothing", "xpnn info: error: unrecognized arguments: --nothing (see xpnn info --help)"),
        ("train mlp --out=", "argument --out: expected a path, got an empty word"),
        ("train mlp --out here", "argument --out: expected a folder, got the file here"),
        ("train mlp --checkpoint-every 0", "--checkpoint-every: expected every as '5 min'"),
        ("export . a.onnx --out b.onnx", "argument --out: not allowed with argument FILE"),
        ("explore --port 65536", "argument --port: expected a port of at most 65535, got 65536"),
        ("explore --samples 1,x", "argument --samples: expected a whole number of at least 0, got 'x'"),
    ],
)
def test_a_wrong_word(words, says, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").touch()
    status, out, err = run(capsys, *words.split())
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert says in err
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


@pytest.mark.parametrize("command", ["train", "evaluate", "predict", "plot", "sample", "export", "gradcheck", "info"])
def test_help_has_examples(command, capsys):
    status, out, _ = run(capsys, command, "--help")
    assert status == 0
    assert f"\n  xpnn {command} " in out.partition("\nexample")[2]
