"""From a data set to a network's input, and from a saved file to the network."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..backend import Rng
from ..data import ImageData, TextData
from ..models import MLP, CharRNN, LeNet5, RNNClassifier, Sequential
from ..training import History, Optimizer, load
from ..training.checkpoint import Arrays, read_header
from ..training.score import names_not_finite

MODELS = ("mlp", "lenet5", "rnn", "charrnn")
MODEL_FILE = "model.safetensors"  # in a run's folder
_LONGEST = 4096  # side of an image, in pixels


@dataclass(frozen=True)
class Recipe:
    """What is needed, apart from the parameters, to build a network and to prepare its input.

    Attributes:
        model: one of MODELS.
        data: name or path of the training data.
        image_shape: (H, W) of the data set's images.
        mean, std: of the training input, with pixels scaled to [0, 1].
        classes: names of the labels.
        vocabulary: of a character model.
        options: of ``xpnn train``, which must be the same to resume the run.
        digest: SHA-256 of the data, which must be the same too.
    """

    model: str
    data: str
    image_shape: tuple[int, int] = (0, 0)
    mean: float = 0.0
    std: float = 1.0
    classes: tuple[str, ...] = ()
    vocabulary: str = ""
    options: str = ""
    digest: str = ""

    def __post_init__(self) -> None:
        """Refuse what no data set makes, since a recipe may come from a stranger's file.

        Raises:
            ValueError: a value is of a wrong type or out of its range.
        """
        texts = self.data, self.vocabulary, self.options, self.digest
        sides, numbers = self.image_shape, (self.mean, self.std)
        names = self.classes if isinstance(self.classes, tuple) else (None,)
        if self.model not in MODELS or not all(isinstance(text, str) for text in (*texts, *names)):
            raise ValueError("recipe: expected a known model, and texts for its data, classes, vocabulary and options")
        longest = 32 if self.model == "lenet5" else _LONGEST
        if len(sides) != 2 or not all(type(side) is int and 0 <= side <= longest for side in sides):
            raise ValueError(f"{self.model}: expected images of at most {longest}x{longest}, got {sides}")
        if not all(isinstance(number, int | float) and abs(number) <= 1 for number in numbers) or self.std < 1e-9:
            raise ValueError(f"recipe: expected a mean and a deviation of pixels in [0, 1], got {numbers}")
        if not (self.vocabulary if self.model == "charrnn" else self.classes and 0 not in sides):
            raise ValueError(f"{self.model}: expected a vocabulary, or classes of images")

    @classmethod
    def for_images(cls, model: str, data: ImageData) -> "Recipe":
        """The recipe for a classifier of this data set."""
        pixels = _enlarge(data.x_train) if model == "lenet5" else data.x_train
        mean, std = float(pixels.mean() / 255), float(pixels.std() / 255) or 1.0
        digest = _digest(data.x_train, data.y_train, data.x_test, data.y_test)
        return cls(model, data.name, data.x_train.shape[2:], mean, std, data.classes, digest=digest)

    @classmethod
    def for_text(cls, data: TextData) -> "Recipe":
        """The recipe for a character model of this text."""
        return cls("charrnn", data.name, vocabulary=data.vocabulary, digest=_digest(data.train, data.test))

    def build(self, rng: Rng = None) -> Sequential:
        """The network with new weights."""
        H, W = self.image_shape
        if self.model == "mlp":
            return MLP((H * W, 256, 128, len(self.classes)), rng=rng)
        if self.model == "lenet5":
            return LeNet5(32 if max(H, W) > 28 else 28, len(self.classes), rng=rng)
        if self.model == "rnn":
            return RNNClassifier(W, 128, len(self.classes), rng=rng)
        return CharRNN(self.vocabulary, rng=rng)

    def shapes(self) -> dict[str, tuple[int, int]]:
        """Of the parameters whose size images, classes or vocabulary decide; all others are the same in every file."""
        (H, W), classes, characters = self.image_shape, len(self.classes), len(self.vocabulary)
        if self.model == "mlp":
            return {"0.W": (256, H * W), "4.W": (classes, 128)}
        if self.model == "lenet5":
            return {"11.W": (classes, 84)}
        if self.model == "rnn":
            return {"0.W_x": (128, W), "1.W": (classes, 128)}
        return {"0.W": (characters, 64), "2.W": (characters, 256)}

    def inputs(self, images: np.ndarray) -> np.ndarray:
        """Standardised float32 input of the network's shape from uint8 images (N, 1, H, W)."""
        if self.model == "lenet5":
            images = _enlarge(images)
        x = (images.astype(np.float32) * np.float32(1 / 255) - np.float32(self.mean)) / np.float32(self.std)
        if self.model == "mlp":
            return x.reshape(len(x), -1)
        return x[:, 0] if self.model == "rnn" else x  # rows are the RNN's time steps

    def metadata(self, history: History) -> dict[str, str]:
        """The recipe and the history as metadata for a safetensors file; under one key, since it writes several in any
        order, and without the seconds, so that the same run leaves the same bytes."""
        rows = [{key: value for key, value in row.items() if key != "seconds"} for row in history]
        return {"xpnn": json.dumps({**asdict(self), "history": rows, "begun": history.begun})}


def read_run(path: Path) -> tuple[Recipe, History, Arrays]:
    """What :meth:`Recipe.metadata` wrote, and the arrays beside it. Errors as for :func:`load_model`."""
    metadata, arrays = read_header(path)
    try:
        saved = json.loads(metadata["xpnn"])
        history, begun = History(map(_numbers, saved.pop("history", []))), saved.pop("begun", None)
        history.begun = begun and _numbers(begun)
        fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in saved.items()}
        return Recipe(**fields), history, arrays
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} was not saved by `xpnn train`: it does not say how to build its network") from error


def _numbers(row: dict[str, float]) -> dict[str, float]:
    return {key: value + 0 for key, value in row.items()}  # a TypeError for what is no number


def load_model(path: Path) -> tuple[Recipe, Sequential]:
    """The network that ``xpnn train`` saved, from its file or its folder.

    It is built only if the file has arrays of its size, so that a few bytes cannot claim gigabytes.

    Raises:
        OSError, ValueError: as :func:`xpnn.load`; or the file has no recipe, or one that its arrays do not fit.
        FloatingPointError: the network holds NaN or infinity.
    """
    path = path / MODEL_FILE if path.is_dir() else path
    recipe, _, arrays = read_run(path)
    for key, shape in recipe.shapes().items():
        if key not in arrays or arrays[key][1] != shape:
            found = f"of shape {arrays[key][1]}" if key in arrays else "missing"
            raise ValueError(f"{path}: {key} is {found}, where the file's own recipe makes {shape}")
    model = recipe.build()
    load_finite(model, path)
    return recipe, model


def load_finite(model: Sequential, path: Path, optimizer: Optimizer | None = None) -> None:
    """:func:`xpnn.load`; raises FloatingPointError if the network then holds NaN or infinity."""
    load(model, path, optimizer=optimizer)
    if spoilt := names_not_finite(model):
        raise FloatingPointError(f"{path}: {spoilt[0]} holds NaN or infinity, so that the network is of no use")


def _digest(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _enlarge(images: np.ndarray) -> np.ndarray:
    """Small images enlarged to LeNet-5's 28x28 (or 32x32) by repeating pixels, with a black border."""
    H, W = images.shape[2:]
    if max(H, W) > 32:
        raise ValueError(f"lenet5: expected images of at most 32x32, got {H}x{W}")
    size = 28 if max(H, W) <= 28 else 32
    factor = size // max(H, W)
    images = images.repeat(factor, axis=2).repeat(factor, axis=3)
    top, left = (size - H * factor) // 2, (size - W * factor) // 2
    borders = ((0, 0), (0, 0), (top, size - H * factor - top), (left, size - W * factor - left))
    return np.pad(images, borders)
