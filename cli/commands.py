"""The commands. Each takes the parsed arguments and prints."""

import argparse
import os
import platform
from dataclasses import replace
from pathlib import Path

import numpy as np

from .. import __version__
from ..backend import describe
from ..data import ImageData, TextData, load_images, load_text, windows
from ..layers import Softmax
from ..models import CharRNN, Sequential
from ..training import (
    SGD,
    Adam,
    AdamW,
    CosineDecay,
    History,
    Optimizer,
    evaluate,
    fit,
    load,
    predict,
    save,
)
from .recipe import MODEL_FILE, Recipe, load_model

_HISTORY = "history.csv"
_LR = {"mlp": 0.001, "lenet5": 0.002, "rnn": 0.001, "charrnn": 0.002}  # of adam and adamw; sgd: 25 times that
_DECAY = 0.2  # of adamw: on Fashion-MNIST it lifts LeNet-5's test accuracy by about 0.8 points
_WINDOW = 64  # characters that the gradient runs back through
_MAX_NORM = {"rnn": 1.0, "charrnn": 1.0}


def train(args: argparse.Namespace) -> None:
    """Train a network and leave parameters, history and curves in the output folder."""
    recipe, data = _load_data(args.model, args.data)
    out = _output_folder(args, recipe)
    x, y, validation = _arrays(recipe, data)
    small = len(x) < 2_000  # wants more passes, and more steps in each
    epochs = args.epochs or (40 if small else 12)
    batch_size = args.batch_size or (16 if small else 32 if args.model == "charrnn" else 64)
    steps = -(-len(x) // batch_size)  # of an epoch
    model, optimizer = recipe.build(args.seed), _optimizer(args, steps * epochs)
    options = f"--batch-size {batch_size} --optimizer {args.optimizer} --lr {optimizer.rate} --seed {args.seed}"
    recipe = replace(recipe, options=options)
    history = _resumed(out, recipe, model, optimizer, steps) if args.resume else History()
    if len(history) >= epochs:
        raise ValueError(f"{out}: its {len(history)} epochs are done; a larger --epochs goes on")
    print(f"{describe()}\n\n{model.summary()}\n\n{len(x):,} training samples from {recipe.data}")
    if history:
        print(f"going on after epoch {len(history)}")
    saved = len(history)

    def keep(rows: History) -> None:
        nonlocal saved
        rows.to_csv(out / _HISTORY)
        save(model, out / MODEL_FILE, recipe.metadata(), optimizer=optimizer)
        saved = len(rows)

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
    if history.interrupted:
        if not saved:
            raise KeyboardInterrupt
        del history[saved:]
        load(model, out / MODEL_FILE)
        print(f"back to epoch {saved}, as it was saved; the same command with --resume goes on from there")
    print("\n" + _score(recipe, model, data))
    if isinstance(model, CharRNN):
        print(f"\na sample:\n{''.join(model.sample(300, temperature=0.7, rng=args.seed))}\n")
    print(f"saved in {out}: {MODEL_FILE}, {_HISTORY}{_plot(history, out)}")


def evaluate_model(args: argparse.Namespace) -> None:
    """Print a saved network's loss and accuracy on the test part of a data set."""
    recipe, model = load_model(args.path)
    print(_score(recipe, model, _load_data(recipe.model, args.data or recipe.data, recipe)[1]))


def predict_images(args: argparse.Namespace) -> None:
    """Print the likeliest classes of each picture."""
    recipe, model = load_model(args.path)
    if not recipe.classes:
        raise ValueError(f"{args.path} is a character model: it has no classes; try `xpnn sample`")
    images = np.stack([_read_image(path, recipe.image_shape, args.invert) for path in args.images])
    probabilities = predict(Sequential(model, Softmax()), recipe.inputs(images))
    for path, p in zip(args.images, probabilities, strict=True):
        likeliest = np.argsort(-p)[:3]
        print(f"{path}: " + ", ".join(f"{recipe.classes[k]} ({p[k]:.1%})" for k in likeliest))


def sample(args: argparse.Namespace) -> None:
    """Print text that a character model makes up."""
    recipe, model = load_model(args.path)
    if not isinstance(model, CharRNN):
        raise ValueError(f"{args.path} holds a {recipe.model}: only a charrnn makes up text")
    print(args.prompt, end="")
    for character in model.sample(args.length, args.prompt, args.temperature, rng=args.seed):
        print(character, end="", flush=True)
    print()


def info(args: argparse.Namespace) -> None:
    """Print versions and the device, or what a saved network is."""
    print(f"xpnn {__version__}, Python {platform.python_version()}\n{describe()}")
    if args.path:
        recipe, model = load_model(args.path)
        print(f"\n{recipe.model}, trained on {recipe.data} {recipe.options}".rstrip(), model.summary(), sep="\n")


def _load_data(model: str, name: str | None, recipe: Recipe | None = None) -> tuple[Recipe, ImageData | TextData]:
    """The data set, and its recipe; a saved network's own recipe must fit the data."""
    if model == "charrnn":
        text = load_text(name or "topics", recipe.vocabulary if recipe else None)
        return recipe or Recipe.for_text(text), text
    images = load_images(name or "digits")
    if recipe and (images.x_test.shape[2:] != recipe.image_shape or len(images.classes) != len(recipe.classes)):
        raise ValueError(
            f"{name}: {len(images.classes)} classes of {images.x_test.shape[2:]} images, but the network was trained "
            f"on {len(recipe.classes)} classes of {recipe.image_shape}"
        )
    return recipe or Recipe.for_images(model, images), images


def _output_folder(args: argparse.Namespace, recipe: Recipe) -> Path:
    out: Path = args.out or Path("runs") / f"{args.model}-{Path(recipe.data).resolve().name}"
    out.mkdir(parents=True, exist_ok=True)
    if not os.access(out, os.W_OK):
        raise PermissionError(f"cannot write to {out}")
    return out


def _resumed(out: Path, recipe: Recipe, model: Sequential, optimizer: Optimizer, steps: int) -> History:
    """The history of a run that was stopped; model and optimizer become what they were then."""
    started, _ = load_model(out)
    if started != recipe:
        command = f"xpnn train {started.model} --data {started.data} {started.options}".rstrip()
        raise ValueError(
            f"{out} was left by `{command}`: --resume takes the same model and options, and the data as they were"
        )
    load(model, out / MODEL_FILE, optimizer=optimizer)
    history = History(History.from_csv(out / _HISTORY)[: optimizer.steps // steps])  # it is written first
    if len(history) * steps != optimizer.steps:
        raise ValueError(f"{out}: {_HISTORY} or the data do not belong to {MODEL_FILE} of {optimizer.steps} steps")
    return history


def _arrays(recipe: Recipe, data: ImageData | TextData) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Inputs and targets for training, and the held-out pair."""
    if isinstance(data, TextData):
        return *windows(data.train, _WINDOW), _held_out_text(data)
    return recipe.inputs(data.x_train), data.y_train, (recipe.inputs(data.x_test), data.y_test)


def _held_out_text(data: TextData) -> tuple[np.ndarray, np.ndarray]:
    """The held-out text in a few long pieces, so that nearly every character has its full past."""
    return windows(data.test, min(4096, len(data.test) - 1))


def _optimizer(args: argparse.Namespace, steps: int) -> Optimizer:
    lr = _LR[args.model]
    if args.optimizer == "sgd":
        return SGD(CosineDecay(args.lr or 25 * lr, steps), momentum=0.9)
    schedule = CosineDecay(args.lr or lr, steps)
    return Adam(schedule) if args.optimizer == "adam" else AdamW(schedule, weight_decay=_DECAY)


def _score(recipe: Recipe, model: Sequential, data: ImageData | TextData) -> str:
    """The held-out result in a line."""
    if isinstance(data, TextData):
        score = evaluate(model, *_held_out_text(data), batch_size=16)
        return (
            f"held-out text: {score.loss / np.log(2):.3f} bits per character, {score.accuracy:.2%} of characters right"
        )
    score = evaluate(model, recipe.inputs(data.x_test), data.y_test)
    return f"test accuracy {score.accuracy:.2%}, loss {score.loss:.4f}, on {len(data.y_test):,} images of {data.name}"


def _plot(history: History, out: Path) -> str:
    try:
        history.plot(out / "curves.png")
    except ImportError as error:
        return f" (no curves.png: {error})"
    return ", curves.png"


def _read_image(path: Path, shape: tuple[int, int], invert: bool) -> np.ndarray:
    """A picture file as grey uint8 (1, H, W), upright and on paper where it is transparent."""
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError as error:
        raise ImportError("reading pictures needs Pillow: install xpnn's extra [images]") from error
    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file)
            if image.mode.startswith("I"):  # 16 bits, which convert("L") would cut off at 255
                image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
            paper = Image.new("RGBA", image.size, "white" if invert else "black")
            paper.alpha_composite(image.convert("RGBA"))
            grey = np.asarray(paper.convert("L").resize(shape[::-1], Image.Resampling.BOX))
    except (UnidentifiedImageError, OSError) as error:
        raise ValueError(f"{path} is not a readable picture ({error})") from error
    return (255 - grey if invert else grey)[None]
