"""Images as a network takes them."""

import json
import struct
from dataclasses import replace

import numpy as np
import pytest
from border import parameters, traced

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
EACH = pytest.mark.parametrize(
    ("model", "options"), [(model, options) for model, several in OPTIONS.items() for options in several]
)


def save_old(network, path, metadata):
    """As an xpnn did that wrote no architecture."""
    tensors = {key: nn.to_numpy(value) for key, value in (network.params | network.buffers).items()}
    path.write_bytes(b"".join(sealed(tensors, metadata)))


def arrays(recipe):
    network = recipe.build(0)
    return {key: value.shape for key, value in (network.params | network.buffers).items()}


@EACH
def test_the_shapes_that_a_recipe_decides(model, options):
    """All in which networks of two recipes differ."""
    recipe = replace(recipe_for(model), **options)
    built = arrays(recipe)
    assert recipe.shapes().items() <= built.items()
    own = replace(recipe, hidden=tuple(size + 1 for size in recipe.sizes)).shapes()
    pixels = (0, 0) if model == "charrnn" else (9, 10)
    larger = replace(recipe, image_shape=pixels, classes=tuple("abcd"), vocabulary="abcd", channels=3)
    larger = replace(larger, hidden=tuple(size + 1 for size in recipe.sizes))
    differing = {key for key, shape in arrays(larger).items() if shape != built[key]}
    assert {key for key in differing if not key.split(".")[1].startswith("b")} == own.keys()  # a bias has as many rows


@EACH
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


def test_a_file_of_an_older_version_loads(tmp_path):
    """Which knew no hidden sizes, cell, dropout or variant."""
    fields = {
        "model": "mlp", "data": "digits", "image_shape": [8, 9], "mean": 0.3, "std": 0.4, "classes": ["a", "b", "c"],
        "vocabulary": "", "options": "--batch-size 16 --seed 0", "digest": "0f", "channels": 1, "table": None,
        "history": [{"epoch": 1, "loss": 0.5}], "begun": None,
    }  # fmt: skip
    network = nn.MLP((72, 256, 128, 3), rng=0)
    save_old(network, tmp_path / "m", {"xpnn": json.dumps(fields)})
    recipe, loaded = saved.load_model(tmp_path / "m")
    assert recipe == replace(recipe_for("mlp"), options="--batch-size 16 --seed 0", digest="0f")
    np.testing.assert_array_equal(parameters(loaded), parameters(network))


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("lenet5", {"hidden": (8,)}, "no sizes of hidden layers, got 1"),
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


def test_a_network_of_one_s_own_that_an_older_version_saved(tmp_path):
    save_old(nn.Dense(2, 2), tmp_path / "m", replace(recipe_for("mlp"), model=recipes.OWN).metadata())
    with pytest.raises(ValueError, match="m holds your own network: name its function by --network"):
        saved.load_model(tmp_path / "m")


@pytest.mark.parametrize("vocabulary", ["", "aa"])
def test_a_vocabulary_that_is_none(tmp_path, vocabulary):
    good = recipe_for("charrnn")
    fields = json.loads(good.metadata(nn.History())["xpnn"])
    save_old(good.build(0), tmp_path / "m", {"xpnn": json.dumps(fields | {"vocabulary": vocabulary})})
    with pytest.raises(ValueError, match=r"m.* was not saved by|m: 0.W is of shape \(3, 64\)"):
        saved.load_model(tmp_path / "m")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"model": ' * 50_000, "9" * 5000, "null", '"mlp"', "[]", "{}", "\0"])
def test_text_that_is_no_recipe(tmp_path, text):
    nn.save(nn.Dense(2, 2), tmp_path / "m", {"xpnn": text})
    with pytest.raises(ValueError, match="m was not saved by `xpnn train`"):
        saved.load_model(tmp_path / "m")


@pytest.mark.parametrize(
    "recipe",
    [
        recipes.Recipe("mlp", "digits", (4096, 4096), classes=("a",)),
        recipes.Recipe("mlp", "digits", (8, 8), classes=("a",) * 100_000),
        recipes.Recipe("lenet5", "digits", (8, 8), classes=("a",) * 100_000),
        recipes.Recipe("rnn", "digits", (8, 4096), classes=("a",) * 100_000),
        recipes.Recipe("rnn", "digits", (8, 8), classes=("a",), hidden=(2**24,)),
        recipes.Recipe("charrnn", "topics", vocabulary="".join(map(chr, range(60_000)))),
    ],
    ids=lambda recipe: recipe.model,
)
def test_a_file_gets_no_larger_a_network_than_it_has_arrays_for(tmp_path, recipe):
    save_old(nn.Dense(2, 2), tmp_path / "m", recipe.metadata(nn.History()))
    content = (tmp_path / "m").read_bytes()
    with traced() as memory, pytest.raises(ValueError, match="is missing, but by the file's own recipe its shape is"):
        saved.load_model(tmp_path / "m")
    assert memory.peak < 1_000_000 + 40 * len(content)
    header = json.loads(content[8 : 8 + struct.unpack("<Q", content[:8])[0]])
    assert "0.W" not in header


def test_a_file_whose_arrays_are_of_another_size_than_its_recipe(tmp_path, monkeypatch):
    save_old(
        recipe_for("mlp").build(0),
        tmp_path / "m",
        recipes.Recipe("mlp", "x", (8, 10), classes=tuple("abc")).metadata(nn.History()),
    )
    monkeypatch.setattr(recipes.Recipe, "build", None)
    with pytest.raises(ValueError, match=r"0.W is of shape \(256, 72\), but .* recipe its shape is \(256, 80\)"):
        saved.load_model(tmp_path / "m")


@pytest.mark.skipif(not hasattr(__import__("os"), "mkfifo"), reason="no named pipes")
def test_a_pipe_is_no_model(tmp_path):
    __import__("os").mkfifo(tmp_path / "model.safetensors")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        saved.load_model(tmp_path)
