"""Load a network from a saved file."""

import json
import runpy
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..data import TableEncoder
from ..layers import Layer
from ..models import CharRNN, Sequential
from ..training import History, Optimizer, load, predict, read_about
from ..training import load_model as load_whole
from ..training.files.about import KEY
from ..training.files.saving import read_header
from ..training.history import numbers
from ..training.score import names_not_finite
from .recipe import OWN, Recipe

RUN_KEY = "xpnn"  # the key in a run's metadata
MODEL_FILE, BEST_FILE = "model.safetensors", "best.safetensors"  # of a run: its last state, and its best epoch
_TRIED = 1 << 21  # elements of the largest sample that a file may have a network tried with: some 20 MB


class NoRecipeError(ValueError):
    """A file does not say how to build its network."""


class Saved(NamedTuple):
    """The content of the metadata of :meth:`Recipe.metadata`."""

    recipe: Recipe
    history: History
    masks: Any


def read_run(path: Path) -> Saved:
    """Read a file's description of its network and its run. Errors as for :func:`load_model`."""
    metadata, _ = read_header(path)
    try:
        saved = json.loads(metadata[RUN_KEY])
        history, begun = History(map(numbers, saved.pop("history", []))), saved.pop("begun", None)
        history.begun, masks = begun and numbers(begun), saved.pop("masks", None)
        fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in saved.items()}
        if fields.get("table") is not None:
            fields["table"] = TableEncoder.from_dict(fields["table"])
        return Saved(Recipe(**fields), history, masks)
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise NoRecipeError(
            f"{path} was not saved by `xpnn train`, and does not say what the network's input and outputs are: save it "
            "by xpnn.save(model, path, classes=..., preprocessing=...)"
        ) from error


def load_model(path: Path, network: str | None = None) -> tuple[Recipe, Sequential]:
    """The network of a run's folder or of a file, saved by the command or from Python; or one that ``network`` builds.

    Raises:
        OSError, ValueError: as for :func:`xpnn.load_model`; or the file does not say what its input and outputs are.
        FloatingPointError: the network holds NaN or infinity.
    """
    path = model_file(path)
    if network:
        return read_run(path).recipe, load_own(network, path)
    metadata, _ = read_header(path)
    if RUN_KEY in metadata or KEY not in metadata:
        recipe, model = read_run(path).recipe, load_network(path)
    else:
        model = load_network(path)
        recipe = _recipe(path, model)
    _try(path, recipe, model)
    return recipe, model


def load_network(path: Path) -> Sequential:
    """The network of a file that describes it; FloatingPointError if it is not finite."""
    model = load_whole(path)
    _check_finite(model, path)
    shape = getattr(model, "input_shape", None)
    return model if isinstance(model, Sequential) else Sequential(model, input_shape=shape)


def _recipe(path: Path, model: Sequential) -> Recipe:
    """The recipe of a file that was saved from Python: its network's input and outputs."""
    classes, prepare = read_about(path)
    if isinstance(model, CharRNN):
        return Recipe("charrnn", "", vocabulary=model.vocabulary)
    if isinstance(prepare, TableEncoder):
        return Recipe(OWN, "", table=prepare)
    if prepare is None or not classes:
        return read_run(path).recipe  # raises an error that says what is missing
    channels, *sides = prepare.shape
    return Recipe(OWN, "", (sides[0], sides[1]), classes=classes, channels=channels, pixels=prepare)


def _try(path: Path, recipe: Recipe, model: Sequential) -> None:
    """Check the file's description against the network's outputs for a sample; set the network's input shape."""
    if recipe.vocabulary:
        if not isinstance(model, CharRNN) or model.vocabulary != recipe.vocabulary:
            raise ValueError(f"{path}: its network is for other characters than its recipe names")
        return
    if recipe.features > _TRIED:
        return  # a small file may claim it; whoever uses the network on such samples meets what does not fit
    pixels = np.zeros((1, recipe.channels, *recipe.image_shape), np.uint8)
    x = np.zeros((1, recipe.features), np.float32) if recipe.table else recipe.inputs(pixels)
    try:
        outputs = predict(model, x).shape[1:]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: its network does not accept its preprocessing's output ({error})") from error
    if outputs != (recipe.outputs,):
        what = "classes" if recipe.outputs > 1 else "class" if recipe.classes else "quantity"
        raise ValueError(f"{path}: it names {recipe.outputs} {what}, but its network outputs {outputs} for a sample")
    if model.input_shape is None:
        model.input_shape = x.shape[1:]


def load_own(network: str, path: Path) -> Sequential:
    """The network in the file, which a function of the user's Python file builds, as in ``"nets.py:build"``."""
    script, _, name = network.rpartition(":")
    if not Path(script).is_file():
        raise ValueError(f"--network: expected FILE.py:FUNCTION, and a file that exists, got {network!r}")
    function = runpy.run_path(script).get(name)
    model = function() if callable(function) else None
    if not isinstance(model, Layer):
        raise ValueError(f"--network: expected a function {name!r} in {script} that returns a network, got {model!r}")
    load_finite(model, path)
    return model if isinstance(model, Sequential) else Sequential(model)


def model_file(path: Path) -> Path:
    """The file with the best network in a run's folder."""
    if not path.is_dir():
        return path
    return path / BEST_FILE if (path / BEST_FILE).exists() else path / MODEL_FILE


def load_finite(model: Layer, path: Path, optimizer: Optimizer | None = None) -> None:
    """:func:`xpnn.load`; raises FloatingPointError if the network then holds NaN or infinity."""
    load(model, path, optimizer=optimizer)
    _check_finite(model, path)


def _check_finite(model: Layer, path: Path) -> None:
    if spoilt := names_not_finite(model):
        raise FloatingPointError(f"{path}: {spoilt[0]} holds NaN or infinity: the network cannot be used")
