"""The job of ``xpnn train``: the data, the network, the optimiser and the settings, from its arguments."""

import argparse
import hashlib
import os
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..data import ImageData
from ..models import Sequential
from ..training import SGD, Adam, AdamW, CosineDecay, History, Optimizer, fit
from .augment import Epochs, augmentation
from .recipe import Recipe
from .saved import MODEL_FILE, read_run
from .sources import Data, arrays

_LR = {"mlp": 0.001, "lenet5": 0.002, "rnn": 0.001, "charrnn": 0.002}  # for adam and adamw; sgd uses 25 times that
_DECAY = 0.2  # for adamw: on Fashion-MNIST it raises LeNet-5's test accuracy by about 0.8 percentage points
_MAX_NORM = {"rnn": 1.0, "charrnn": 1.0}


class Job(NamedTuple):
    """A training run that has not begun.

    Attributes:
        x, y, validation: the training data, and the held-out pair.
        epochs, batch_size, seed: the run's settings.
        lr: the highest learning rate, from which the optimiser's rate falls.
        rng: the generator that drew the initial weights and will draw dropout's masks.
        out: the run's folder, which may not exist yet.
        augment: the changes of pictures, as on the command line.
    """

    recipe: Recipe
    data: Data
    x: np.ndarray
    y: np.ndarray
    validation: tuple[np.ndarray, np.ndarray]
    model: Sequential
    optimizer: Optimizer
    epochs: int
    batch_size: int
    lr: float
    seed: int
    rng: np.random.Generator
    out: Path
    augment: str | None

    @property
    def steps(self) -> int:
        """The number of steps of an epoch."""
        return -(-len(self.x) // self.batch_size)

    def fit(self, x: Any, y: np.ndarray | None, **options: Any) -> History:
        """:func:`xpnn.fit` with the run's settings."""
        return fit(
            self.model, x, y, loss=self.recipe.loss, optimizer=self.optimizer, batch_size=self.batch_size,
            rng=self.seed, max_norm=_MAX_NORM.get(self.recipe.model), **options,
        )  # fmt: skip

    def epochs_of(self, history: History) -> tuple[Any, np.ndarray | None]:
        """The data for :meth:`fit` after these epochs: x and y, or batches of augmented pictures and None."""
        if not self.augment or not isinstance(self.data, ImageData):
            return self.x, self.y
        options, inputs = augmentation(self.augment), self.recipe.inputs
        return Epochs(self.data.x_train, self.y, inputs, self.batch_size, self.seed, history, options), None


def job(args: argparse.Namespace, recipe: Recipe, data: Data, out: Path) -> Job:
    """The job of these arguments; defaults depend on the model and the number of samples."""
    if args.augment and not isinstance(data, ImageData):
        raise ValueError("--augment is for pictures")
    x, y, validation = arrays(recipe, data)
    small = len(x) < 2_000  # few samples need more epochs, and more steps per epoch
    epochs = args.epochs or (40 if small else 12)
    batch_size = args.batch_size or (16 if small else 32 if args.model == "charrnn" else 64)
    rng = np.random.default_rng(args.seed)
    model, optimizer = recipe.build(rng), _optimizer(args, -(-len(x) // batch_size) * epochs)
    lr = optimizer.rate
    recipe = replace(recipe, options=_options(args, recipe, batch_size, lr))
    return Job(
        recipe, data, x, y, validation, model, optimizer, epochs, batch_size, lr, args.seed, rng, out, args.augment
    )


def default_folder(recipe: Recipe) -> Path:
    """The folder named after the model and the data; other data of the same name get another folder."""
    name = os.fsencode(Path(recipe.data).name)
    folder = Path("runs") / f"{recipe.model}-{name[:200].decode(errors='ignore')}"  # names may have 255 bytes
    of_these_data = folder.with_name(f"{folder.name}-{hashlib.sha256(os.fsencode(recipe.data)).hexdigest()[:8]}")
    try:
        free = read_run(folder / MODEL_FILE).recipe.data == recipe.data
    except (OSError, ValueError):  # no model, or not one of a run
        free = True
    return folder if free and not of_these_data.exists() else of_these_data


def _options(args: argparse.Namespace, recipe: Recipe, batch_size: int, rate: float) -> str:
    """The command's options that decide the result."""
    options = ["--batch-size", batch_size, "--optimizer", args.optimizer, "--lr", rate, "--seed", args.seed]
    for name in ("target", "task", "augment"):
        options += [f"--{name}", getattr(args, name)] if getattr(args, name) else []
    options += [word for column in args.drop for word in ("--drop", column)]
    options += ["--size", "x".join(map(str, args.size))] if args.size else []
    options += ["--hidden", ",".join(map(str, recipe.hidden))] if recipe.hidden else []
    for name, usual in (("cell", "rnn"), ("dropout", 0), ("variant", "modern")):
        options += [f"--{name}", getattr(recipe, name)] if getattr(recipe, name) != usual else []
    return shlex.join(map(str, options))


def _optimizer(args: argparse.Namespace, steps: int) -> Optimizer:
    lr = _LR[args.model]
    if args.optimizer == "sgd":
        return SGD(CosineDecay(args.lr or 25 * lr, steps), momentum=0.9)
    schedule = CosineDecay(args.lr or lr, steps)
    return Adam(schedule) if args.optimizer == "adam" else AdamW(schedule, weight_decay=_DECAY)
