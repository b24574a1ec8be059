"""What a network is worth on the test part, and its answers for new pictures and rows."""

import argparse
import csv
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..data import TableEncoder, TextData
from ..data.pictures import read_picture
from ..data.table import read_table
from ..layers import HalfSquaredError, Softmax
from ..models import Sequential
from ..training import evaluate, predict
from .recipe import Recipe, load_model
from .sources import Data, for_testing, held_out
from .streams import escaped, silent_libraries, tell


@contextmanager
def _finite_outputs() -> Iterator[None]:
    """Raise FloatingPointError where the library warns that outputs or the loss are not finite."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "(evaluate|predict): ", RuntimeWarning)
        try:
            yield
        except RuntimeWarning as warning:
            raise FloatingPointError(str(warning)) from None


@_finite_outputs()
def score(recipe: Recipe, model: Sequential, data: Data) -> str:
    """The held-out result as one line."""
    x, y = held_out(recipe, data)
    if isinstance(data, TextData):
        result = evaluate(model, x, y, batch_size=16)
        bits = result.loss / np.log(2)
        return f"held-out text: {bits:.3f} bits per character, {result.accuracy:.2%} of characters right"
    where = f"{len(y):,} {'rows' if recipe.table else 'images'} of {escaped(data.name)}"
    if recipe.table and not recipe.table.classes:
        error = evaluate(model, x, y, loss=HalfSquaredError()).loss * 2  # mean square, of standardised values
        scale, spread = recipe.table.target.scale, float(y.var()) or 1.0
        return f"test R^2 {1 - error / spread:.4f}, root mean square error {error**0.5 * scale:.4g}, on {where}"
    result = evaluate(model, x, y)
    return f"test accuracy {result.accuracy:.2%}, loss {result.loss:.4f}, on {where}"


def evaluate_model(args: argparse.Namespace) -> None:
    """Print a saved network's loss and accuracy on the test part of a data set."""
    recipe, model = load_model(args.path)
    if not args.data and recipe.data not in recipe.built_in():
        raise ValueError(f"{args.path} says that it was trained on {recipe.data!r}: if so, evaluate it with --data")
    print(score(recipe, model, for_testing(recipe, args.data or recipe.data, args.encoding)))


def predict_files(args: argparse.Namespace) -> int:
    """Print what the network makes of each picture, or of each row; returns 1 if a file could not be read, else 0."""
    recipe, model = load_model(args.path)
    if recipe.table:
        print_row([recipe.table.target.name, *(["probability"] if recipe.table.classes else [])])
    elif not recipe.classes:
        raise ValueError(f"{args.path} is a character model: it has no classes; try `xpnn sample`")
    failed = 0
    for path in args.files:
        try:
            if recipe.table:
                _predict_rows(recipe.table, model, path, args.encoding)
            else:
                _predict_picture(recipe, model, path, args.invert)
        except ValueError as error:
            tell(str(error))
            failed = 1
    return failed


def _predict_picture(recipe: Recipe, model: Sequential, path: Path, invert: bool) -> None:
    with silent_libraries():
        image = read_picture(path, recipe.image_shape, invert, colour=recipe.channels == 3)
    with _finite_outputs():
        (p,) = predict(Sequential(model, Softmax()), recipe.inputs(image[None]))
    likeliest = ", ".join(f"{escaped(recipe.classes[k])} ({p[k]:.1%})" for k in np.argsort(-p)[:3])
    print(f"{escaped(str(path))}: {likeliest}")


def _predict_rows(encoder: TableEncoder, model: Sequential, path: Path, encoding: str) -> None:
    rows = read_table(path, encoding)
    try:
        x = encoder.transform(rows)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    with _finite_outputs():
        outputs = predict(Sequential(model, Softmax()) if encoder.classes else model, x)
    for value, row in zip(encoder.decode(outputs), outputs, strict=True):
        print_row([value, f"{row.max():.4f}"] if encoder.classes else [f"{value:.6g}"])


def print_row(values: list[str]) -> None:
    """Print a row of a CSV file."""
    csv.writer(sys.stdout, lineterminator="\n").writerow(values)
