"""From a saved file to the network."""

import json
import runpy
from pathlib import Path
from typing import Any, NamedTuple

from ..data import TableEncoder
from ..layers import Layer
from ..models import Sequential
from ..training import History, Optimizer, load
from ..training.checkpoint import Arrays, read_header
from ..training.score import names_not_finite
from .recipe import OWN, Recipe

MODEL_FILE, BEST_FILE = "model.safetensors", "best.safetensors"  # of a run: where it goes on, and its best epoch


class NoRecipeError(ValueError):
    """A file does not say how to build its network."""


class Saved(NamedTuple):
    """What :meth:`Recipe.metadata` wrote, and the arrays beside it."""

    recipe: Recipe
    history: History
    arrays: Arrays
    masks: Any


def read_run(path: Path) -> Saved:
    """What a file says of its network and its run. Errors as for :func:`load_model`."""
    metadata, arrays = read_header(path)
    try:
        saved = json.loads(metadata["xpnn"])
        history, begun = History(map(_numbers, saved.pop("history", []))), saved.pop("begun", None)
        history.begun, masks = begun and _numbers(begun), saved.pop("masks", None)
        fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in saved.items()}
        if fields.get("table") is not None:
            fields["table"] = TableEncoder.from_dict(fields["table"])
        return Saved(Recipe(**fields), history, arrays, masks)
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise NoRecipeError(
            f"{path} was not saved by `xpnn train`: it does not say how to build its network. From Python, give it a "
            "recipe: xpnn.save(model, path, recipe.metadata()), with a Recipe of xpnn.cli.recipe"
        ) from error


def _numbers(row: dict[str, float]) -> dict[str, float]:
    return {key: value + 0 for key, value in row.items()}  # a TypeError for what is no number


def load_model(path: Path, network: str | None = None) -> tuple[Recipe, Sequential]:
    """The network that ``xpnn train`` saved, from its file or its folder; or one that ``network`` builds.

    It is built only if the file has arrays of its size, so that a few bytes cannot claim gigabytes.

    Raises:
        OSError, ValueError: as :func:`xpnn.load`; or the file has no recipe, or one that its arrays do not fit.
        FloatingPointError: the network holds NaN or infinity.
    """
    path = model_file(path)
    recipe, _, arrays, _ = read_run(path)
    if network:
        return recipe, load_own(network, path)
    if recipe.model == OWN:
        raise ValueError(f"{path} holds a network of one's own: name what builds it by --network FILE.py:FUNCTION")
    for key, shape in recipe.shapes().items():
        if key not in arrays or arrays[key][1] != shape:
            found = f"of shape {arrays[key][1]}" if key in arrays else "missing"
            raise ValueError(f"{path}: {key} is {found}, where the file's own recipe makes {shape}")
    model = recipe.build()
    load_finite(model, path)
    return recipe, model


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
    """Of a run's folder, the file with its best network."""
    if not path.is_dir():
        return path
    return path / BEST_FILE if (path / BEST_FILE).exists() else path / MODEL_FILE


def load_finite(model: Layer, path: Path, optimizer: Optimizer | None = None) -> None:
    """:func:`xpnn.load`; raises FloatingPointError if the network then holds NaN or infinity."""
    load(model, path, optimizer=optimizer)
    if spoilt := names_not_finite(model):
        raise FloatingPointError(f"{path}: {spoilt[0]} holds NaN or infinity, so that the network is of no use")
