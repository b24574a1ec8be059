"""A network's scores on the test part, and its predictions for new pictures and rows."""

import argparse
import csv
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..data import TableEncoder, TextData
from ..data.pictures import read_picture
from ..data.table import read_table
from ..layers import HalfSquaredError, Softmax
from ..models import Sequential
from ..training import evaluate, predict
from .recipe import Recipe
from .saved import load_model
from .sources import Data, check_encoding, for_testing, held_out
from .streams import answer, escaped, silent_libraries, tell


class Scored(NamedTuple):
    """A result, as one line of text and as named values."""

    text: str
    values: dict[str, Any]


@contextmanager
def _finite_outputs() -> Iterator[None]:
    """Within this block the library's warning that outputs or the loss are not finite becomes a FloatingPointError."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "(evaluate|predict): ", RuntimeWarning)
        try:
            yield
        except RuntimeWarning as warning:
            raise FloatingPointError(str(warning)) from None


@_finite_outputs()
def score(recipe: Recipe, model: Sequential, data: Data) -> Scored:
    """The scores on the held-out data."""
    x, y = held_out(recipe, data)
    values: dict[str, Any] = {"data": data.name, "samples": len(y)}
    if isinstance(data, TextData):
        result = evaluate(model, x, y, batch_size=16)
        values |= {"bits_per_character": float(result.loss / np.log(2)), "accuracy": result.accuracy}
        line = "held-out text: {bits_per_character:.3f} bits per character, {accuracy:.2%} of characters right"
        return Scored(line.format(**values), values)
    where = f"{len(y):,} {'rows' if recipe.table else 'images'} of {escaped(data.name)}"
    if recipe.table and not recipe.table.classes:
        error = evaluate(model, x, y, loss=HalfSquaredError()).loss * 2  # mean square error of standardised values
        scale, spread = recipe.table.target.scale, float(y.var()) or 1.0
        values |= {"r2": 1 - error / spread, "rmse": error**0.5 * scale}
        return Scored("test R^2 {r2:.4f}, root mean square error {rmse:.4g}, on ".format(**values) + where, values)
    result = evaluate(model, x, y)
    values |= {"accuracy": result.accuracy, "loss": result.loss}
    return Scored("test accuracy {accuracy:.2%}, loss {loss:.4f}, on ".format(**values) + where, values)


def evaluate_model(args: argparse.Namespace) -> None:
    """Print a saved network's loss and accuracy on the test part of a data set."""
    recipe, model = load_model(args.path, args.network)
    if not args.data and not recipe.data:
        raise ValueError(f"{args.path} does not say what it was trained on: name the data to test it on by --data")
    if not args.data and recipe.data not in recipe.built_in():
        raise ValueError(f"{args.path} says that it was trained on {recipe.data!r}: if so, evaluate it with --data")
    result = score(recipe, model, for_testing(recipe, args.data or recipe.data, args.encoding))
    answer(args, result.text, **result.values)


def predict_files(args: argparse.Namespace) -> int:
    """Print the network's prediction for each picture or row; returns 1 if a file cannot be read, 2 if none exists."""
    recipe, model = load_model(args.path, args.network)
    if recipe.table and args.invert:
        raise ValueError(f"{args.path} is a table's network: --invert is for pictures")
    check_encoding(recipe, args.encoding)
    if recipe.table and not args.json:
        print_row([recipe.table.target.name, *(["probability"] if recipe.table.classes else [])])
    elif not recipe.table and not recipe.classes:
        raise ValueError(f"{args.path} is a character model: it has no classes; try `xpnn sample`")
    if not any(os.path.exists(path) for path in args.files):
        tell(f"there is no {' or '.join(map(str, args.files))}")
        return 2
    failed = 0
    for path in args.files:
        try:
            if not os.path.exists(path):
                raise ValueError(f"there is no {path}")
            if recipe.table:
                _predict_rows(args, recipe.table, model, path)
            else:
                _predict_picture(args, recipe, model, path)
        except BrokenPipeError:
            raise
        except (ValueError, OSError) as error:
            tell(str(error))
            failed = 1
    return failed


def _predict_picture(args: argparse.Namespace, recipe: Recipe, model: Sequential, path: Path) -> None:
    with silent_libraries():
        image = read_picture(path, recipe.image_shape, args.invert, colour=recipe.channels == 3)
    with _finite_outputs():
        (p,) = predict(Sequential(model, Softmax()), recipe.inputs(image[None])).astype(float)
    order = np.argsort(-p)
    likeliest = ", ".join(f"{escaped(recipe.classes[k])} ({p[k]:.1%})" for k in order[:3])
    values = {"class": recipe.classes[order[0]], "probability": p[order[0]]}
    every = {"probabilities": dict(zip(recipe.classes, p.tolist(), strict=True))}
    answer(args, f"{escaped(str(path))}: {likeliest}", file=str(path), **values, **every)


def _predict_rows(args: argparse.Namespace, encoder: TableEncoder, model: Sequential, path: Path) -> None:
    rows = read_table(path, args.encoding, encoder.texts)
    try:
        x = encoder.transform(rows)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    with _finite_outputs():
        outputs = predict(Sequential(model, Softmax()) if encoder.classes else model, x)
    for number, (value, row) in enumerate(zip(encoder.decode(outputs), outputs, strict=True), 1):
        found = {"class": str(value), "probability": float(row.max())} if encoder.classes else {"value": float(value)}
        if args.json:
            answer(args, "", file=str(path), row=number, **found)
        else:
            print_row([value, f"{row.max():.4f}"] if encoder.classes else [f"{value:.6g}"])


def print_row(values: list[str]) -> None:
    """Print a row of a CSV file."""
    csv.writer(sys.stdout, lineterminator="\n").writerow(values)
