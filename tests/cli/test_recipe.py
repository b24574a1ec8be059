"""Images as a network takes them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from border import traced

import xpnn as nn
from xpnn.cli import recipe as recipes
from xpnn.cli import saved
from xpnn.training.files.sealed import sealed


def test_images_without_a_contrast():
    images = np.full((4, 1, 8, 8), 9, np.uint8)
    recipe = recipes.Recipe.for_images(
        "mlp", nn.ImageData("x", images, np.zeros(4, int), images, np.zeros(4, int), ("a",))
    )
    assert (recipe.inputs(images) == 0).all()


def test_lenet5_enlarges_small_images_and_refuses_large_ones():
    recipe = recipes.Recipe("lenet5", "x", (8, 6), classes=("a",))
    x = recipe.inputs(np.full((1, 1, 8, 6), 255, np.uint8))
    assert x.shape == (1, 1, 28, 28)
    assert x.sum() == 24 * 18
    assert x[0, 0, 2:26, 5:23].all()
    with pytest.raises(ValueError, match="at most 32x32, got 33x33"):
        recipe.inputs(np.zeros((1, 1, 33, 33), np.uint8))


def recipe_for(model):
    if model == "charrnn":
        return recipes.Recipe("charrnn", "topics", vocabulary="abc")
    return recipes.Recipe(model, "digits", (8, 9), 0.3, 0.4, classes=("a", "b", "c"))


OPTIONS = {
    "mlp": [{}, {"hidden": (7, 6, 5)}, {"hidden": (7,), "dropout": 0.2}],
    "lenet5": [{}, {"dropout": 0.5}, {"variant": "1998"}, {"variant": "1998", "dropout": 0.1}],
    "rnn": [
        {},
        {"cell": "lstm", "hidden": (7,)},
        {"cell": "gru", "dropout": 0.2},
        {"cell": "lstm", "hidden": (7, 7, 7)},
    ],
    "charrnn": [{}, {"cell": "gru", "hidden": (7,), "dropout": 0.2}, {"cell": "lstm"}],
}


@pytest.mark.parametrize(
    ("model", "options"), [(model, options) for model, several in OPTIONS.items() for options in several]
)
def test_a_saved_network_is_the_same_with_its_options(model, options, tmp_path):
    recipe = replace(recipe_for(model), **options)
    network = recipe.build(0)
    nn.save(network, tmp_path / "m", recipe.metadata())
    same, loaded = saved.load_model(tmp_path / "m")
    assert same == recipe
    assert repr(loaded) == repr(network)
    assert ("Dropout" in repr(loaded)) == ("dropout" in options)
    assert {"lstm": "LSTM(", "gru": "GRU("}.get(options.get("cell"), "") in repr(loaded)


@pytest.mark.parametrize("model", recipes.MODELS)
def test_a_saved_network_is_the_same(model, tmp_path):
    recipe = recipe_for(model)
    network = recipe.build(0)
    nn.save(network, tmp_path / "m", recipe.metadata(nn.History()))
    same, loaded = saved.load_model(tmp_path / "m")
    assert same == recipe
    assert type(loaded) is type(network)


HOSTILE = {
    "model": ["", "vgg", "mlp\0", None, 7, ["mlp"], {"mlp": 1}],
    "data": [None, 7, ["digits"]],
    "image_shape": [
        None,
        8,
        "88",
        [8],
        [8, 8, 8],
        [8, -8],
        [0, 8],
        [8.0, 8],
        [True, 8],
        ["8", 8],
        [1, 2**40],
        [5000, 8],
    ],
    "mean": [None, "0.1", [0], 1e39, -2, float("nan"), float("inf"), 10**400],
    "std": [None, "1", 0, -1, 1e-30, float("nan"), float("inf")],
    "channels": [None, 2, True, "1"],
    "pixels": [{"shape": [1, 8, 9]}, "x"],
    "classes": [None, 10, "0123456789", [], [1, 2], [["a"]], {"a": 1}],
    "vocabulary": [None, 7, ["a", "b"]],
    "options": [None, 7, ["--seed"]],
    "hidden": [None, 7, "64", [0], [-1], [2.0], [True], ["8"], [2**40], [8] * 1001],
    "cell": [None, 7, "", "LSTM", "lstm", ["rnn"]],
    "dropout": [None, "0.1", -0.1, 1, float("nan"), True],
    "variant": [None, 1998, "1998"],
    "unknown": [1],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in HOSTILE.items() for value in values])
def test_a_recipe_of_wrong_types_or_sizes(tmp_path, monkeypatch, key, value):
    good = recipe_for("mlp")
    fields = json.loads(good.metadata(nn.History())["xpnn"])
    nn.save(good.build(0), tmp_path / "m", {"xpnn": json.dumps(fields | {key: value})})
    monkeypatch.setattr(recipes.Recipe, "build", None)  # nothing is built
    with pytest.raises(ValueError, match="m was not saved by `xpnn train`"):
        saved.load_model(tmp_path / "m")


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("lenet5", {"hidden": (8,)}, "its layers have fixed sizes: leave out --hidden"),
        ("rnn", {"hidden": (8, 9)}, "rnn: expected hidden layers of one size, got 8, 9"),
        ("charrnn", {"hidden": (8, 8)}, "at most 1 sizes"),
        ("mlp", {"cell": "gru"}, "are for rnn and charrnn, got 'gru'"),
        ("rnn", {"variant": "1998"}, "are for lenet5, got '1998'"),
        ("lenet5", {"variant": "1998", "classes": ("x",) * 84}, "at most 83 classes for the variant of 1998, got 84"),
    ],
)
def test_options_of_another_model(model, options, message):
    with pytest.raises(ValueError, match=message):
        replace(recipe_for(model), **options)


def test_no_lenet5_for_large_images():
    with pytest.raises(ValueError, match=r"lenet5: expected images of at most 32x32, got \(32, 33\)"):
        recipes.Recipe("lenet5", "x", (32, 33), classes=("a",))


def test_no_table_for_pictures_networks():
    encoder = nn.TableEncoder.fit({"a": [0.0, 1.0], "kind": ["u", "v"]}, "kind")
    with pytest.raises(ValueError, match="expected a table's encoder, and mlp as the model"):
        recipes.Recipe("lenet5", "x", table=encoder)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"model": ' * 50_000, "9" * 5000, "null", '"mlp"', "[]", "{}", "\0"])
def test_text_that_is_no_recipe(tmp_path, text):
    nn.save(nn.Dense(2, 2), tmp_path / "m", {"xpnn": text})
    with pytest.raises(ValueError, match="m was not saved by `xpnn train`"):
        saved.load_model(tmp_path / "m")


def test_a_few_bytes_claim_no_large_network(tmp_path):
    """The recipe alone, which a stranger may write, builds nothing."""
    recipe = recipes.Recipe("rnn", "digits", (8, 8), classes=("a",), hidden=(2**24,))
    (tmp_path / "m").write_bytes(b"".join(sealed({}, recipe.metadata())))
    with traced() as memory, pytest.raises(ValueError, match="m does not say how its network is built"):
        saved.load_model(tmp_path / "m")
    assert memory.peak < 1_000_000


@pytest.mark.parametrize("origin", ["train", "Python"])
def test_a_few_bytes_claim_no_large_sample(tmp_path, origin):
    model, names = nn.Sequential(nn.GlobalAvgPool2D(), nn.Flatten(), nn.Dense(3, 3)), ("a", "b", "c")
    if origin == "train":
        nn.save(model, tmp_path / "m", recipes.Recipe("mlp", "x", (4096, 4096), classes=names, channels=3).metadata())
    else:
        nn.save(model, tmp_path / "m", classes=names, preprocessing=nn.Pixels((3, 4096, 4096)))
    with traced() as memory:
        saved.load_model(tmp_path / "m")
    assert memory.peak < 2_000_000


@pytest.mark.parametrize("vocabulary", ["", "aa"])
def test_a_vocabulary_that_is_none(tmp_path, vocabulary):
    good = recipe_for("charrnn")
    fields = json.loads(good.metadata()["xpnn"])
    nn.save(good.build(0), tmp_path / "m", {"xpnn": json.dumps(fields | {"vocabulary": vocabulary})})
    with pytest.raises(ValueError, match="m.* was not saved by|m: its network is for other characters"):
        saved.load_model(tmp_path / "m")


def test_a_recipe_of_more_classes_than_the_network_has(tmp_path):
    recipe = replace(recipe_for("mlp"), classes=("a", "b", "c", "d"))
    nn.save(recipe_for("mlp").build(0), tmp_path / "m", recipe.metadata())
    with pytest.raises(ValueError, match=r"m: it names 4 classes, but its network outputs \(3,\) for a sample"):
        saved.load_model(tmp_path / "m")


def test_a_recipe_of_other_images_than_the_network_takes(tmp_path):
    recipe = replace(recipe_for("mlp"), image_shape=(9, 9))
    nn.save(recipe_for("mlp").build(0), tmp_path / "m", recipe.metadata())
    with pytest.raises(ValueError, match="m: its network does not accept its preprocessing's output"):
        saved.load_model(tmp_path / "m")


@pytest.mark.skipif(not hasattr(__import__("os"), "mkfifo"), reason="no named pipes")
def test_a_pipe_is_no_model(tmp_path):
    __import__("os").mkfifo(tmp_path / "model.safetensors")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        saved.load_model(tmp_path)
