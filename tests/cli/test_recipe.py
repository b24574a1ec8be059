"""Images as a network takes them."""

import json
import struct

import numpy as np
import pytest
from border import traced

import xpnn as nn
from xpnn.cli import recipe as recipes
from xpnn.cli import saved


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


@pytest.mark.parametrize("model", recipes.MODELS)
def test_the_shapes_that_a_recipe_decides(model):
    """All in which networks of two recipes differ."""
    recipe = recipe_for(model)
    built = {key: value.shape for key, value in recipe.build().params.items()}
    assert recipe.shapes().items() <= built.items()
    larger = recipes.Recipe(
        model, "x", (0, 0) if model == "charrnn" else (9, 10), classes=tuple("abcd"), vocabulary="abcd", channels=3
    )
    differing = {key for key, value in larger.build().params.items() if value.shape != built[key]}
    weights = {key for key in differing if not key.endswith("b")}  # whose bias has as many rows
    assert weights == recipe.shapes().keys()


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
    "classes": [None, 10, "0123456789", [], [1, 2], [["a"]], {"a": 1}],
    "vocabulary": [None, 7, ["a", "b"]],
    "options": [None, 7, ["--seed"]],
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


def test_no_lenet5_for_large_images():
    with pytest.raises(ValueError, match=r"lenet5: expected images of at most 32x32, got \(32, 33\)"):
        recipes.Recipe("lenet5", "x", (32, 33), classes=("a",))


@pytest.mark.parametrize("vocabulary", ["", "aa"])
def test_a_vocabulary_that_is_none(tmp_path, vocabulary):
    good = recipe_for("charrnn")
    fields = json.loads(good.metadata(nn.History())["xpnn"])
    nn.save(good.build(0), tmp_path / "m", {"xpnn": json.dumps(fields | {"vocabulary": vocabulary})})
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
        recipes.Recipe("charrnn", "topics", vocabulary="".join(map(chr, range(60_000)))),
    ],
    ids=lambda recipe: recipe.model,
)
def test_a_file_gets_no_larger_a_network_than_it_has_arrays_for(tmp_path, recipe):
    nn.save(nn.Dense(2, 2), tmp_path / "m", recipe.metadata(nn.History()))
    content = (tmp_path / "m").read_bytes()
    with traced() as memory, pytest.raises(ValueError, match="is missing, where the file's own recipe makes"):
        saved.load_model(tmp_path / "m")
    assert memory.peak < 1_000_000 + 40 * len(content)
    header = json.loads(content[8 : 8 + struct.unpack("<Q", content[:8])[0]])
    assert "0.W" not in header


def test_a_file_whose_arrays_are_of_another_size_than_its_recipe(tmp_path, monkeypatch):
    nn.save(
        recipe_for("mlp").build(0),
        tmp_path / "m",
        recipes.Recipe("mlp", "x", (8, 10), classes=tuple("abc")).metadata(nn.History()),
    )
    monkeypatch.setattr(recipes.Recipe, "build", None)
    with pytest.raises(ValueError, match=r"0.W is of shape \(256, 72\), where the file's own recipe makes \(256, 80\)"):
        saved.load_model(tmp_path / "m")


@pytest.mark.skipif(not hasattr(__import__("os"), "mkfifo"), reason="no named pipes")
def test_a_pipe_is_no_model(tmp_path):
    __import__("os").mkfifo(tmp_path / "model.safetensors")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        saved.load_model(tmp_path)
