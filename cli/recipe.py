"""From a data set to a network's input, and from a saved file to the network."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..backend import Rng
from ..data import ImageData, TableData, TableEncoder, TextData
from ..data.images import BUILT_IN as IMAGES
from ..data.text import BUILT_IN as TEXTS
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
        channels: 1, or 3 of images in colour.
        mean, std: of the training input, with pixels scaled to [0, 1].
        classes: names of the labels.
        vocabulary: of a character model.
        table: how a table's rows become the input; None of other data.
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
    channels: int = 1
    table: TableEncoder | None = None

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
        if type(self.channels) is not int or self.channels not in (1, 3):
            raise ValueError(f"recipe: expected images of 1 or 3 channels, got {self.channels!r}")
        if self.table is not None:
            if self.model != "mlp" or not isinstance(self.table, TableEncoder):
                raise ValueError("recipe: expected a table's encoder, and mlp as the model")
        elif not (self.vocabulary if self.model == "charrnn" else self.classes and 0 not in sides):
            raise ValueError(f"{self.model}: expected a vocabulary, or classes of images")

    @classmethod
    def for_images(cls, model: str, data: ImageData) -> "Recipe":
        """The recipe for a classifier of this data set."""
        pixels = _enlarge(data.x_train) if model == "lenet5" else data.x_train
        mean, std = float(pixels.mean() / 255), float(pixels.std() / 255) or 1.0
        digest = images_digest(data)
        _, C, H, W = data.x_train.shape
        return cls(model, data.name, (H, W), mean, std, data.classes, digest=digest, channels=C)

    @classmethod
    def for_table(cls, data: TableData) -> "Recipe":
        """The recipe for a network that learns this table, which is a file."""
        return cls("mlp", data.name, digest=file_digest(data.name), table=data.encoder)

    @classmethod
    def for_text(cls, data: TextData) -> "Recipe":
        """The recipe for a character model of this text."""
        return cls("charrnn", data.name, vocabulary=data.vocabulary, digest=_digest(data.train, data.test))

    @property
    def outputs(self) -> int:
        """How many a classifier has, or a table's network."""
        return len(self.table.classes) or 1 if self.table else len(self.classes)

    @property
    def features(self) -> int:
        """How many an MLP takes."""
        return self.table.width if self.table else math.prod((self.channels, *self.image_shape))

    def build(self, rng: Rng = None) -> Sequential:
        """The network with new weights."""
        C, (H, W) = self.channels, self.image_shape
        if self.model == "mlp":
            return MLP((self.features, 256, 128, self.outputs), rng=rng)
        if self.model == "lenet5":
            return LeNet5(32 if max(H, W) > 28 else 28, self.outputs, C, rng=rng)
        if self.model == "rnn":
            return RNNClassifier(C * W, 128, self.outputs, rng=rng)
        return CharRNN(self.vocabulary, rng=rng)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of the parameters whose size the data decide; all others are the same in every file."""
        C, W, characters = self.channels, self.image_shape[1], len(self.vocabulary)
        if self.model == "mlp":
            return {"0.W": (256, self.features), "4.W": (self.outputs, 128)}
        if self.model == "lenet5":
            return {"0.W": (6, C, 5, 5), "11.W": (self.outputs, 84)}
        if self.model == "rnn":
            return {"0.W_x": (128, C * W), "1.W": (self.outputs, 128)}
        return {"0.W": (characters, 64), "2.W": (characters, 256)}

    def inputs(self, images: np.ndarray) -> np.ndarray:
        """Standardised float32 input of the network's shape from uint8 images (N, C, H, W)."""
        if self.model == "lenet5":
            images = _enlarge(images)
        x = (images.astype(np.float32) * np.float32(1 / 255) - np.float32(self.mean)) / np.float32(self.std)
        if self.model == "mlp":
            return x.reshape(len(x), -1)
        if self.model == "rnn":  # rows are its time steps, with the channels side by side
            return x.transpose(0, 2, 1, 3).reshape(len(x), x.shape[2], -1)
        return x

    def built_in(self) -> tuple[str, ...]:
        """The data sets that a network of this sort may have been trained on, and that a name alone gives."""
        return TEXTS if self.model == "charrnn" else () if self.table else IMAGES

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
        if fields.get("table") is not None:
            fields["table"] = TableEncoder.from_dict(fields["table"])
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


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def images_digest(data: ImageData) -> str:
    return _digest(data.x_train, data.y_train, data.x_test, data.y_test)


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
