"""The command line on data of one's own: tables and pictures, from training to predictions."""

import numpy as np
import pytest
from cli.test_commands import run

import xpnn as nn
from xpnn.__main__ import main
from xpnn.cli import sources
from xpnn.cli.recipe import Recipe
from xpnn.cli.saved import load_model

pd = pytest.importorskip("pandas")
Image = pytest.importorskip("PIL.Image")

pytestmark = pytest.mark.usefixtures("no_curves")

SHORT = "--epochs", 3, "--batch-size", 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Tables of two classes and of a quantity, which y = sign of, and equals, 3 a + b; coloured pictures."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    a, b = rng.normal(size=(2, 200))
    rows = pd.DataFrame({"a": 100 + a, "b": np.where(b > 0, "up", "down"), "id": range(200)})
    rows.assign(kind=np.where(3 * a + (b > 0) > 0, "yes, it is", "no")).to_csv(folder / "kind.csv", index=False)
    rows.assign(value=1000 + 50 * a + 10 * (b > 0)).to_csv(folder / "value.csv", index=False)
    for label, channel in (("red", 0), ("blue", 2)):
        (folder / "pictures" / label).mkdir(parents=True)
        for k in range(20):
            pixels = rng.integers(0, 60, (12, 10, 3), dtype=np.uint8)
            pixels[..., channel] += 150
            Image.fromarray(pixels).save(folder / "pictures" / label / f"{k}.png")
    return folder


@pytest.fixture(scope="module")
def trained(folder, no_curves):
    """A run for each kind of data."""
    for name, options in (
        ("kind", ("mlp", "--data", folder / "kind.csv", "--target", "kind", "--drop", "id")),
        ("value", ("mlp", "--data", folder / "value.csv", "--target", "value", "--drop", "id", "--epochs", 20)),
        ("lenet5", ("lenet5", "--data", folder / "pictures")),
        ("rnn", ("rnn", "--data", folder / "pictures", "--size", "8x6")),
    ):
        assert main([str(word) for word in ("train", *options[:1], *SHORT, *options[1:], "--out", folder / name)]) == 0
    return folder


def test_a_table_of_classes(trained, tmp_path, capsys):
    status, out, _ = run(capsys, "evaluate", trained / "kind", "--data", trained / "kind.csv")
    assert status == 0
    assert float(out.split("accuracy ")[1].split("%")[0]) > 85
    (tmp_path / "others.csv").write_text('kind,b,a,more\nno,down,98,1\n"yes, it is",up,102,2\nno,,98.5,3\n')
    status, out, _ = run(capsys, "evaluate", trained / "kind", "--data", tmp_path / "others.csv")
    assert "test accuracy 100.00%" in out
    assert "on 3 rows of" in out
    status, out, err = run(capsys, "predict", trained / "kind", tmp_path / "others.csv")
    assert (status, err) == (0, "")
    several = [tmp_path / name for name in ("others.csv", "none.csv", ".", "others.csv")]
    status, all_of_them, err = run(capsys, "predict", trained / "kind", *several)
    assert (status, all_of_them) == (1, out + out.partition("\n")[2])
    assert f"there is no {tmp_path / 'none.csv'}\n" in err
    assert "--invert is for pictures" in run(capsys, "predict", trained / "kind", several[0], "--invert")[2]
    header, *lines = out.splitlines()
    assert header == "kind,probability"
    assert [line.rpartition(",")[0] for line in lines] == ["no", '"yes, it is"', "no"]
    assert all(0.5 < float(line.rpartition(",")[2]) <= 1 for line in lines)


def test_a_table_of_a_quantity(trained, tmp_path, capsys):
    status, out, _ = run(capsys, "evaluate", trained / "value", "--data", trained / "value.csv")
    assert status == 0
    fit, error = (float(out.split(word)[1].split(",")[0]) for word in ("R^2 ", "root mean square error "))
    data = nn.load_table(trained / "value.csv", "value", drop=["id"])
    recipe, model = load_model(trained / "value")
    answers = recipe.table.decode(nn.predict(model, data.x_test))
    right = recipe.table.decode(data.y_test)
    assert error == pytest.approx(np.sqrt(np.mean((answers - right) ** 2)), rel=1e-3)
    assert fit == pytest.approx(1 - np.mean((answers - right) ** 2) / right.var(), abs=1e-3)
    assert fit > 0.9
    (tmp_path / "new.csv").write_text("a,b\n101,up\n99,down\n")
    out = run(capsys, "predict", trained / "value", tmp_path / "new.csv")[1].splitlines()
    assert out[0] == "value"
    np.testing.assert_allclose([float(line) for line in out[1:]], [1060, 950], atol=30)


def test_held_out_rows_of_the_same_file_and_all_of_another(folder, tmp_path):
    data = nn.load_table(folder / "kind.csv", "kind")
    recipe = Recipe.for_table(data)
    again = sources.for_testing(recipe, str(folder / "kind.csv"), "utf-8")
    np.testing.assert_array_equal(again.x_test, data.x_test)
    np.testing.assert_array_equal(again.y_test, data.y_test)
    (tmp_path / "kind.csv").write_text((folder / "kind.csv").read_text() + "100,up,1,no\n")
    assert len(sources.for_testing(recipe, str(tmp_path / "kind.csv"), "utf-8").x_test) == 201


def test_held_out_pictures_of_the_same_folder_and_all_of_another_whose_classes_go_by_their_names(folder, tmp_path):
    data = nn.load_images(folder / "pictures")
    recipe = Recipe.for_images("mlp", data)
    again = sources.for_testing(recipe, str(folder / "pictures"), "utf-8")
    np.testing.assert_array_equal(again.x_test, data.x_test)
    picture = folder / "pictures" / "red" / "0.png"
    for label in ("red", "none"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "x.png").write_bytes(picture.read_bytes())
        if label == "red":
            assert sources.for_testing(recipe, str(tmp_path), "utf-8").y_test.tolist() == [1]
    with pytest.raises(ValueError, match="knows no class 'none', only blue, red"):
        sources.for_testing(recipe, str(tmp_path), "utf-8")
    np.savez(tmp_path / "a.npz", x=data.x_train[:4], y=[0, 1, 0, 1])
    assert sources.for_testing(recipe, str(tmp_path / "a.npz"), "utf-8").y_test.tolist() == [
        0,
        1,
        1,
        0,
    ]  # the two held out last
    np.savez(tmp_path / "a.npz", x=data.x_train[:, :1], y=np.arange(32) % 3)
    with pytest.raises(ValueError, match=r"3 classes of \(1, 12, 10\) images, but .* 2 classes of \(3, 12, 10\)"):
        sources.for_testing(recipe, str(tmp_path / "a.npz"), "utf-8")


def test_pictures_in_colour(trained, capsys):
    for name, shape in (("lenet5", (12, 10)), ("rnn", (8, 6))):
        recipe, _ = load_model(trained / name)
        assert (recipe.channels, recipe.image_shape, recipe.classes) == (3, shape, ("blue", "red"))
        status, out, _ = run(capsys, "evaluate", trained / name, "--data", trained / "pictures")
        assert status == 0
        assert "on 8 images" in out
        red = trained / "pictures" / "red" / "0.png"
        assert ": red (" in run(capsys, "predict", trained / name, red)[1]


def test_large_pictures_are_brought_to_lenet5_s_size(tmp_path, capsys, rng):
    for label in "ab":
        (tmp_path / "set" / label).mkdir(parents=True)
        for k in range(3):
            Image.fromarray(rng.integers(0, 256, (40 + k, 50), dtype=np.uint8)).save(
                tmp_path / "set" / label / f"{k}.png"
            )
    assert run(capsys, "train", "lenet5", "--data", tmp_path / "set", "--epochs", 1, "--out", tmp_path / "run")[0] == 0
    assert load_model(tmp_path / "run")[0].image_shape == (32, 32)
    status, _, err = run(capsys, "train", "mlp", "--data", tmp_path / "set", "--out", tmp_path / "other")
    assert status == 1
    assert "a/0.png has 40 x 50 pixels" in err


def test_the_same_run_leaves_the_same_bytes_and_is_resumed(trained, tmp_path, capsys):
    command = ["train", "mlp", "--data", trained / "kind.csv", "--target", "kind", "--drop", "id", *SHORT]
    assert run(capsys, *command, "--out", tmp_path)[0] == 0
    assert (tmp_path / "model.safetensors").read_bytes() == (trained / "kind" / "model.safetensors").read_bytes()
    assert run(capsys, *command, "--out", tmp_path, "--resume")[0] == 0
    status, _, err = run(capsys, *command[:-6], *SHORT, "--out", tmp_path, "--resume")
    assert status == 1
    assert "--target kind --drop id`" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("mlp", "--data", "kind.csv"), "name the column to predict by --target; the columns are a, b, id, kind"),
        (("mlp", "--data", "kind.csv", "--target", "sort"), "no column 'sort' for the target: the columns are 'a'"),
        (("mlp", "--data", "kind.csv", "--target", "kind", "--drop", "x"), "no column 'x' to drop"),
        (("rnn", "--data", "kind.csv", "--target", "kind"), "a table is for mlp, not for rnn"),
        (("mlp", "--data", "pictures", "--target", "kind"), "--target is for a table"),
        (("mlp", "--data", "pictures", "--task", "regression"), "--task is for a table"),
        (("charrnn", "--data", "kind.csv", "--drop", "id"), "--drop is for a table"),
        (("mlp", "--data", "kind.csv", "--target", "kind", "--size", "9"), "--size is for a folder of pictures"),
        (("mlp", "--data", "digits", "--size", "9"), "--size is for a folder of pictures"),
        (("mlp", "--data", "digits", "--encoding", "latin-1"), "--encoding is for a text file or a table"),
    ],
)
def test_what_does_not_go_together(folder, tmp_path, capsys, monkeypatch, options, message):
    monkeypatch.chdir(folder)
    status, out, err = run(capsys, "train", *options, "--out", tmp_path)
    assert (status, out, len(err.splitlines())) == (1, "", 1)
    assert message in err
    assert not (tmp_path / "model.safetensors").exists()


def test_nothing_to_hold_out(tmp_path, capsys, rng):
    (tmp_path / "one.csv").write_text("a,y\n1,0\n2,1\n")
    for label in "ab":
        (tmp_path / "pictures" / label).mkdir(parents=True)
        Image.fromarray(rng.integers(0, 255, (8, 8), dtype=np.uint8)).save(tmp_path / "pictures" / label / "0.png")
    for options in (("one.csv", "--target", "y"), ("pictures",)):
        status, _, err = run(
            capsys, "train", "mlp", "--data", tmp_path / options[0], *options[1:], "--out", tmp_path / "r"
        )
        assert (status, err.count("nothing is held out for the test: some class must have at least two samples")) == (
            1,
            1,
        )


def test_one_class_alone(tmp_path, capsys):
    (tmp_path / "one.csv").write_text("a,y\n" + "".join(f"{k},same\n" for k in range(20)))
    (tmp_path / "pictures" / "same").mkdir(parents=True)
    for k in range(2):
        Image.fromarray(np.eye(8, dtype=np.uint8)).save(tmp_path / "pictures" / "same" / f"{k}.png")
    for options in (("one.csv", "--target", "y"), ("pictures",)):
        status, _, err = run(capsys, "train", "mlp", "--data", tmp_path / options[0], *options[1:], "--dry-run")
        assert (status, "expected at least two classes, got only 'same'" in err) == (1, True)


def test_texts_that_look_like_numbers_are_told_of(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("age,y\n" + "".join(f"{k or '?'},{k % 2}\n" for k in range(20)))
    status, _, err = run(capsys, "train", "mlp", "--data", tmp_path / "a.csv", "--target", "y", "--dry-run")
    assert status == 0
    assert "warning: column 'age' holds texts that begin like numbers or dates" in err


def test_rows_and_pictures_that_do_not_fit(trained, tmp_path, capsys):
    (tmp_path / "x.csv").write_text("a,b\n1,up\nold,up\n")
    (tmp_path / "y.csv").write_text("b,kind\nup,no\n")
    for command, message in (
        (("predict", trained / "kind", tmp_path / "x.csv"), "x.csv: column 'a': 'old', in row 2, is not a number"),
        (("predict", trained / "kind", tmp_path / "y.csv"), "y.csv: the columns 'a' are missing"),
        (("predict", trained / "kind", trained / "pictures" / "red" / "0.png"), "expected a table"),
        (("evaluate", trained / "kind", "--data", tmp_path / "y.csv"), "y.csv: the columns 'a' are missing"),
        (("predict", trained / "lenet5", tmp_path / "x.csv"), "x.csv is not a readable picture"),
        (("evaluate", trained / "lenet5", "--data", tmp_path / "x.csv"), "no data set"),
        (("evaluate", trained / "kind"), "evaluate it with --data"),
    ):
        status, _, err = run(capsys, *command)
        assert (status, len(err.splitlines())) == (1, 1), command
        assert message in err


@pytest.mark.parametrize("size", ["0", "-1", "8x", "8x8x8", "large"])
def test_a_size_that_is_none(capsys, size):
    assert run(capsys, "train", "mlp", f"--size={size}")[0] == 2
