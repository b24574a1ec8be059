"""The commands. Each takes the parsed arguments and prints its result."""

import argparse
import hashlib
import os
import platform
import shlex
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import numpy as np

from .. import __version__
from ..backend import describe
from ..data import ImageData, TextData, load_images, load_text, windows
from ..data.images import BUILT_IN as IMAGES
from ..data.pictures import read_picture
from ..data.text import BUILT_IN as TEXTS
from ..layers import Softmax
from ..models import CharRNN, Sequential
from ..plots.canvas import needs_matplotlib
from ..training import SGD, Adam, AdamW, CosineDecay, History, Optimizer, evaluate, fit, predict, save
from ..training.files import locked
from ..training.interrupt import Interruptible, terminable
from .figures import Run
from .recipe import MODEL_FILE, Recipe, load_finite, load_model, read_run
from .report import REPORT, write_report
from .streams import escaped, silent_libraries, tell

_HISTORY, _CURVES = "history.csv", "curves.png"
_LR = {"mlp": 0.001, "lenet5": 0.002, "rnn": 0.001, "charrnn": 0.002}  # for adam and adamw; sgd has 25 times that
_DECAY = 0.2  # of adamw: on Fashion-MNIST it raises LeNet-5's test accuracy by about 0.8 percentage points
_WINDOW = 64  # characters of truncated back-propagation through time
_MAX_NORM = {"rnn": 1.0, "charrnn": 1.0}


def train(args: argparse.Namespace) -> None:
    """Train a network and write parameters, history and curves to the output folder."""
    recipe, data = load_data(args.model, args.data, args.encoding)
    if args.report:
        needs_matplotlib()  # now, and not after the training
    out: Path = args.out or _default_folder(recipe)
    out.mkdir(parents=True, exist_ok=True)
    with terminable(), locked(out):
        _train(args, recipe, data, out)


def _train(args: argparse.Namespace, recipe: Recipe, data: ImageData | TextData, out: Path) -> None:
    x, y, validation = _arrays(recipe, data)
    small = len(x) < 2_000  # needs more epochs, and more steps per epoch
    epochs = args.epochs or (40 if small else 12)
    batch_size = args.batch_size or (16 if small else 32 if args.model == "charrnn" else 64)
    steps = -(-len(x) // batch_size)  # per epoch
    model, optimizer = recipe.build(args.seed), _optimizer(args, steps * epochs)
    options = f"--batch-size {batch_size} --optimizer {args.optimizer} --lr {optimizer.rate} --seed {args.seed}"
    recipe = replace(recipe, options=options)
    history = _begin(args, out, recipe, model, optimizer, steps)
    print(f"{describe()}\n\n{model.summary()}\n\n{len(x):,} training samples from {escaped(recipe.data)}")
    if len(history) >= epochs:
        print(f"{out}: its {len(history)} epochs are done; a larger --epochs goes on")
    elif optimizer.steps:
        print(f"going on after epoch {len(history)}" + (f", step {optimizer.steps:,}" if history.begun else ""))

    def keep(rows: History) -> None:
        save(model, out / MODEL_FILE, recipe.metadata(rows), optimizer=optimizer)
        rows.to_csv(out / _HISTORY)

    try:
        fit(
            model, x, y,
            optimizer=optimizer,
            epochs=epochs,
            batch_size=batch_size,
            validation=validation,
            rng=args.seed,
            max_norm=_MAX_NORM.get(args.model),
            history=history,
            on_epoch_end=keep,
        )  # fmt: skip
    finally:
        if history.interrupted:  # also where the terminal has gone, so that fit could not say it
            _stop(history, keep, out)
    result = score(recipe, model, data)
    print("\n" + result)
    if isinstance(model, CharRNN):
        print(f"\na sample:\n{''.join(model.sample(300, temperature=0.7, rng=args.seed))}\n")
    print(f"saved in {out}: {MODEL_FILE}, {_HISTORY}{_plot(history, out)}")
    if args.report:
        print(f"report: {write_report(Run(recipe, model, history, data), out, result)}")


def _stop(history: History, keep: Callable[[History], None], out: Path) -> NoReturn:
    """Save what an interrupted run has learnt, and end the program."""
    if history.begun is None:
        result = f"{out} is as it was" + (f" after epoch {len(history)}" if history else "")
    else:
        with Interruptible():  # another signal does not end the saving, only Ctrl-C pressed twice more
            keep(history)
        result = f"saved in {out}; the same command with --resume goes on from there"
    with suppress(OSError):
        print(result)
    raise KeyboardInterrupt(history.signal)


def evaluate_model(args: argparse.Namespace) -> None:
    """Print a saved network's loss and accuracy on the test part of a data set."""
    recipe, model = load_model(args.path)
    if not args.data and recipe.data not in (TEXTS if isinstance(model, CharRNN) else IMAGES):
        raise ValueError(f"{args.path} says that it was trained on {recipe.data!r}: if so, evaluate it with --data")
    print(score(recipe, model, load_data(recipe.model, args.data or recipe.data, args.encoding, recipe)[1]))


def predict_images(args: argparse.Namespace) -> int:
    """Print the most likely classes of each picture; returns 1 if some could not be read, else 0."""
    recipe, model = load_model(args.path)
    if not recipe.classes:
        raise ValueError(f"{args.path} is a character model: it has no classes; try `xpnn sample`")
    network, failed = Sequential(model, Softmax()), 0
    for path in args.images:
        try:
            with silent_libraries():
                image = read_picture(path, recipe.image_shape, args.invert)
        except ValueError as error:
            tell(str(error))
            failed = 1
            continue
        with _finite_outputs():
            (p,) = predict(network, recipe.inputs(image[None]))
        likeliest = ", ".join(f"{escaped(recipe.classes[k])} ({p[k]:.1%})" for k in np.argsort(-p)[:3])
        print(f"{escaped(str(path))}: {likeliest}")
    return failed


def sample(args: argparse.Namespace) -> None:
    """Print text generated by a character model."""
    recipe, model = load_model(args.path)
    if not isinstance(model, CharRNN):
        raise ValueError(f"{args.path} holds a {recipe.model}: only a charrnn makes up text")
    prompt = args.prompt or ""
    characters = model.sample(args.length, prompt, args.temperature, rng=args.seed)  # which checks the prompt
    print(prompt, end="")
    for character in characters:
        print(character, end="", flush=True)
    print()


def info(args: argparse.Namespace) -> None:
    """Print versions and the device, and the summary of a saved network if one is given."""
    print(f"xpnn {__version__}, Python {platform.python_version()}\n{describe()}")
    if args.path:
        recipe, model = load_model(args.path)
        trained = f"{recipe.model}, trained on {recipe.data} {recipe.options}".rstrip()
        print(f"\n{escaped(trained)}\n{model.summary()}")


def load_data(
    model: str, name: str | None, encoding: str, recipe: Recipe | None = None
) -> tuple[Recipe, ImageData | TextData]:
    """The recipe and the data set; of that for a saved network only the test part, which must fit its recipe."""
    if model == "charrnn":
        text = load_text(name or "topics", recipe.vocabulary if recipe else None, encoding=encoding)
        return recipe or Recipe.for_text(text), text
    images = load_images(name or "digits", test_only=recipe is not None)
    if recipe and (images.x_test.shape[2:] != recipe.image_shape or len(images.classes) > len(recipe.classes)):
        raise ValueError(
            f"{name}: {len(images.classes)} classes of {images.x_test.shape[2:]} images, but the network was trained "
            f"on {len(recipe.classes)} classes of {recipe.image_shape}"
        )
    return recipe or Recipe.for_images(model, images), images


def _default_folder(recipe: Recipe) -> Path:
    """By the data's last name; other data of the same last name get a folder of their own."""
    name = os.fsencode(Path(recipe.data).name)
    folder = Path("runs") / f"{recipe.model}-{name[:200].decode(errors='ignore')}"  # a folder's may have 255 bytes
    of_these_data = folder.with_name(f"{folder.name}-{hashlib.sha256(os.fsencode(recipe.data)).hexdigest()[:8]}")
    try:
        free = read_run(folder / MODEL_FILE)[0].data == recipe.data
    except (OSError, ValueError):  # no model, or another's
        free = True
    return folder if free and not of_these_data.exists() else of_these_data


def _begin(
    args: argparse.Namespace, out: Path, recipe: Recipe, model: Sequential, optimizer: Optimizer, steps: int
) -> History:
    """The history of the run to go on with, whose state model and optimizer take, or of a new one."""
    for name in (MODEL_FILE, _HISTORY, _CURVES, REPORT):
        for left in out.glob(f".{name}.*.part"):  # by a process that was killed while it wrote
            left.unlink(missing_ok=True)
    if not args.resume:
        if not args.overwrite and any((out / name).exists() for name in (MODEL_FILE, _HISTORY)):
            raise FileExistsError(f"{out} has a run: --resume goes on with it, --overwrite replaces it")
        return History()
    if not (out / MODEL_FILE).exists():
        print(f"nothing is saved in {out} yet: the run begins")
        return History()
    started, history, _ = read_run(out / MODEL_FILE)
    if started != recipe:
        command = shlex.join(["xpnn", "train", started.model, "--data", started.data, *started.options.split()])
        raise ValueError(
            f"{out} was left by `{command}`: --resume takes the same model and options, and the data as they were"
        )
    load_finite(model, out / MODEL_FILE, optimizer)
    if optimizer.steps != len(history) * steps + (history.begun or {}).get("steps", 0):
        raise ValueError(f"{out / MODEL_FILE}: its {len(history)} epochs are not {optimizer.steps} steps")
    _add_seconds(history, out / _HISTORY)
    return history


def _add_seconds(history: History, path: Path) -> None:
    """From the table, which is then made to match: the last process may have been killed before it wrote it."""
    with suppress(OSError, ValueError):
        for row, written in zip(history, History.from_csv(path), strict=False):
            if row.items() <= written.items():
                row |= written
    history.to_csv(path)


def _arrays(recipe: Recipe, data: ImageData | TextData) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Inputs and targets for training, and the held-out pair."""
    if isinstance(data, TextData):
        return *windows(data.train, _WINDOW), _held_out_text(data)
    return recipe.inputs(data.x_train), data.y_train, (recipe.inputs(data.x_test), data.y_test)


def _held_out_text(data: TextData) -> tuple[np.ndarray, np.ndarray]:
    """The held-out text in a few long chunks, so that nearly every character has its full past."""
    return windows(data.test, min(4096, len(data.test) - 1))


def _optimizer(args: argparse.Namespace, steps: int) -> Optimizer:
    lr = _LR[args.model]
    if args.optimizer == "sgd":
        return SGD(CosineDecay(args.lr or 25 * lr, steps), momentum=0.9)
    schedule = CosineDecay(args.lr or lr, steps)
    return Adam(schedule) if args.optimizer == "adam" else AdamW(schedule, weight_decay=_DECAY)


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
def score(recipe: Recipe, model: Sequential, data: ImageData | TextData) -> str:
    """The held-out result as one line."""
    if isinstance(data, TextData):
        test = evaluate(model, *_held_out_text(data), batch_size=16)
        return f"held-out text: {test.loss / np.log(2):.3f} bits per character, {test.accuracy:.2%} of characters right"
    test = evaluate(model, recipe.inputs(data.x_test), data.y_test)
    images = f"{len(data.y_test):,} images of {escaped(data.name)}"
    return f"test accuracy {test.accuracy:.2%}, loss {test.loss:.4f}, on {images}"


def _plot(history: History, out: Path) -> str:
    try:
        history.plot(out / _CURVES)
    except ImportError as error:
        return f" (no {_CURVES}: {error})"
    return f", {_CURVES}"
