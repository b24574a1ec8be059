"""The data of a command, for training or for testing a network."""

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ..data import ImageData, TableData, TextData, load_images, load_table, load_text, windows
from ..data.folders import first_picture
from ..data.images import holds_pictures
from ..data.pictures import read_picture
from ..data.table import is_table, read_table, split_rows
from .recipe import HIDDEN, Recipe, file_digest, images_digest

Data: TypeAlias = ImageData | TableData | TextData

_WINDOW = 64  # characters of truncated back-propagation through time
_LENET5 = 32  # the side to which larger pictures are reduced for lenet5


def for_training(args: argparse.Namespace) -> tuple[Recipe, Data]:
    """The data that the arguments of ``xpnn train`` name, and the recipe of a network for them."""
    hidden = () if args.hidden == HIDDEN.get(args.model) else args.hidden  # the same network has the same recipe
    options: dict[str, Any] = {key: getattr(args, key) for key in ("cell", "dropout", "variant")} | {"hidden": hidden}
    name: str = args.data or ("topics" if args.model == "charrnn" else "digits")
    table = args.model != "charrnn" and os.path.isfile(name) and is_table(name)
    _check_options(args, name, table)
    if args.model == "charrnn":
        text = load_text(name, encoding=args.encoding)
        return Recipe.for_text(text, **options), text
    if table:
        rows = _table(args, name)
        return _of_classes(Recipe.for_table(rows, **options)), rows
    images = load_images(name, size=args.size or _size(args.model, Path(name)))
    return _of_classes(Recipe.for_images(args.model, images, **options)), images


def _check_options(args: argparse.Namespace, name: str, table: bool) -> None:
    """Refuse an option that has no use for data of this kind."""
    of_tables = table, "a table (CSV, TSV, Parquet)"
    of_pictures = args.model != "charrnn" and holds_pictures(Path(name)), "a folder of pictures"
    of_text = table or (args.model == "charrnn" and name != "topics"), "a text file or a table"
    fitting = {"target": of_tables, "drop": of_tables, "task": of_tables, "size": of_pictures, "encoding": of_text}
    for option, (fits, kind) in fitting.items():
        if not fits and getattr(args, option) not in (None, [], "utf-8"):
            raise ValueError(f"{name}: --{option} is for {kind}")


def _of_classes(recipe: Recipe) -> Recipe:
    """The recipe; ValueError if it has fewer than two classes."""
    if recipe.names and len(recipe.names) == 1:
        raise ValueError(f"{recipe.data}: expected at least two classes, got only {recipe.names[0]!r}")
    return recipe


def _table(args: argparse.Namespace, name: str) -> TableData:
    if args.model != "mlp":
        raise ValueError(f"{name}: a table is for mlp, not for {args.model}")
    if args.target is None:
        columns = ", ".join(read_table(name, args.encoding).columns[:20])
        raise ValueError(f"{name}: name the column to predict by --target; the columns are {columns}")
    return load_table(name, args.target, drop=args.drop, task=args.task, encoding=args.encoding)


def _size(model: str, path: Path) -> int | None:
    """The size to which pictures are resized for a model of a fixed input size; None for other models."""
    if model != "lenet5" or not holds_pictures(path):
        return None
    return _LENET5 if max(read_picture(first_picture(path), None).shape[1:]) > _LENET5 else None


def for_testing(recipe: Recipe, name: str, encoding: str) -> Data:
    """Data to test a network on, which must fit its recipe: the test part, or all data if they have none.

    If the network was trained on the same data, it is the part that was held out.
    """
    check_encoding(recipe, encoding)
    if recipe.model == "charrnn":
        return load_text(name, recipe.vocabulary, encoding=encoding)
    return _test_table(recipe.table, recipe, name, encoding) if recipe.table else _test_images(recipe, name)


def check_encoding(recipe: Recipe, encoding: str) -> None:
    """Refuse an encoding for a network of pictures, which have none."""
    if encoding != "utf-8" and not recipe.table and recipe.model != "charrnn":
        raise ValueError("--encoding is for a text file or a table, not for pictures")


def _test_table(encoder: Any, recipe: Recipe, name: str, encoding: str) -> TableData:
    rows = read_table(name, encoding, encoder.texts)
    try:
        if file_digest(name) == recipe.digest:
            rows = split_rows(rows, encoder)[1]
        x, y = encoder.transform(rows), encoder.targets(rows)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    return TableData(str(Path(name).resolve()), x[:0], y[:0], x, y, encoder)


def _test_images(recipe: Recipe, name: str) -> ImageData:
    options: dict[str, Any] = {}
    if holds_pictures(Path(name)):
        options = {"size": recipe.image_shape, "colour": recipe.channels == 3}
    images = load_images(name, test_only=True, **options)
    if images.split:
        whole = load_images(name, **options)
        if images_digest(whole) != recipe.digest:
            x, y = np.concatenate([whole.x_train, whole.x_test]), np.concatenate([whole.y_train, whole.y_test])
            images = replace(images, x_test=x, y_test=y)
    shape, own = images.x_test.shape[1:], (recipe.channels, *recipe.image_shape)
    numbered = images.classes == tuple(map(str, range(len(images.classes))))  # as in IDX and .npz files
    if shape != own or (numbered and len(images.classes) > len(recipe.classes)):
        raise ValueError(
            f"{name}: {len(images.classes)} classes of {shape} images, but the network was trained on "
            f"{len(recipe.classes)} classes of {own}"
        )
    return images if numbered and not set(images.classes) <= set(recipe.classes) else _renumbered(images, recipe, name)


def _renumbered(images: ImageData, recipe: Recipe, name: str) -> ImageData:
    """The same images with the network's labels for their classes."""
    if unknown := [one for one in images.classes if one not in recipe.classes]:
        raise ValueError(f"{name}: the network knows no class {unknown[0]!r}, only {', '.join(recipe.classes[:20])}")
    place = np.array([recipe.classes.index(one) for one in images.classes])
    return replace(images, y_test=place[images.y_test], classes=recipe.classes)


def arrays(recipe: Recipe, data: Data) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Inputs and targets for training, and the held-out pair."""
    if isinstance(data, TextData):
        return *windows(data.train, _WINDOW), held_out(recipe, data)
    x = data.x_train if isinstance(data, TableData) else recipe.inputs(data.x_train)
    return x, data.y_train, held_out(recipe, data)


def held_out(recipe: Recipe, data: Data) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets of the test part. A text is cut into a few long chunks, so that nearly every character has its
    full past."""
    if isinstance(data, TextData):
        return windows(data.test, min(4096, len(data.test) - 1))
    if not len(data.y_test):
        raise ValueError(f"{data.name}: nothing is held out for the test: some class must have at least two samples")
    return (data.x_test if isinstance(data, TableData) else recipe.inputs(data.x_test)), data.y_test
