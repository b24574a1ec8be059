"""The recipe of a network: how to build it for a data set, and how to prepare its input."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..backend import Rng
from ..data import ImageData, Pixels, Preprocessing, TableData, TableEncoder, TextData
from ..data.images import BUILT_IN as IMAGES
from ..data.preprocessing import LONGEST
from ..data.text import BUILT_IN as TEXTS
from ..layers import GRU, LSTM, RNN, Dense, Dropout, Layer, RBFLoss
from ..layers.recurrent import Recurrent
from ..models import MLP, CharRNN, LeNet5, RNNClassifier, Sequential
from ..training import History

MODELS = ("mlp", "lenet5", "rnn", "charrnn")
OWN = "own"  # a user's network, which only --network can build
HIDDEN = {"mlp": (256, 128), "rnn": (128,), "charrnn": (256,)}  # default sizes of the hidden layers
CELLS: dict[str, type[Recurrent]] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
VARIANTS = ("modern", "1998")
_NO_ROWS = History()


@dataclass(frozen=True)
class Recipe:
    """Everything but the parameters that is needed to build a network and to prepare its input.

    Attributes:
        model: one of MODELS; or OWN for another network, which takes standardised images (N, C, H, W), or a table's
            rows, and outputs logits of the classes or the quantity.
        data: name or path of the training data.
        image_shape: (H, W) of the data set's images.
        channels: 1, or 3 for images in colour.
        mean, std: mean and standard deviation of the training input, with pixels scaled to [0, 1].
        classes: names of the labels.
        vocabulary: the vocabulary of a character model.
        table: the encoder of a table's rows; None for other data.
        options: the options of ``xpnn train``, which must be the same to resume the run.
        digest: SHA-256 of the data, which must be the same, too.
        hidden: sizes of the hidden layers; () for those in HIDDEN.
        cell: the cell of a recurrent network, one of CELLS.
        dropout: the probability of 0 before each Dense layer that is not the first layer.
        variant: the variant of LeNet-5, one of VARIANTS.
        pixels: the preprocessing of pictures for a network of another origin; otherwise it follows from the above.
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
    hidden: tuple[int, ...] = ()
    cell: str = "rnn"
    dropout: float = 0.0
    variant: str = "modern"
    pixels: Pixels | None = None

    def __post_init__(self) -> None:
        """Refuse values that no data set gives, since a recipe may come from a stranger's file.

        Raises:
            ValueError: a value is of a wrong type or out of its range.
        """
        texts = self.data, self.vocabulary, self.options, self.digest
        sides, numbers = self.image_shape, (self.mean, self.std)
        names = self.classes if isinstance(self.classes, tuple) else (None,)
        if self.model not in (*MODELS, OWN) or not all(isinstance(text, str) for text in (*texts, *names)):
            raise ValueError("recipe: expected a known model, and texts for its data, classes, vocabulary and options")
        longest = 32 if self.model == "lenet5" else LONGEST
        if len(sides) != 2 or not all(type(side) is int and 0 <= side <= longest for side in sides):
            raise ValueError(f"{self.model}: expected images of at most {longest}x{longest}, got {sides}")
        if not all(isinstance(number, int | float) and abs(number) <= 1 for number in numbers) or self.std < 1e-9:
            raise ValueError(f"recipe: expected a mean and a deviation of pixels in [0, 1], got {numbers}")
        if type(self.channels) is not int or self.channels not in (1, 3):
            raise ValueError(f"recipe: expected images of 1 or 3 channels, got {self.channels!r}")
        if self.table is not None:
            if self.model not in ("mlp", OWN) or not isinstance(self.table, TableEncoder):
                raise ValueError("recipe: expected a table's encoder, and mlp as the model")
        elif not (self.vocabulary if self.model == "charrnn" else self.classes and 0 not in sides):
            raise ValueError(f"{self.model}: expected a vocabulary, or classes of images")
        if not isinstance(self.pixels, Pixels | None):
            raise ValueError(f"recipe: expected Pixels, got {self.pixels!r}")
        self._check_options()

    def _check_options(self) -> None:
        """Check the options of the network itself."""
        sizes, p = self.hidden, self.dropout
        if not isinstance(sizes, tuple) or not all(type(size) is int and 0 < size <= 2**24 for size in sizes):
            raise ValueError(f"{self.model}: expected sizes of hidden layers, each from 1 to {2**24:,}, got {sizes!r}")
        most = {"mlp": 1_000, "rnn": 100, "charrnn": 1}.get(self.model, 0)
        if len(sizes) > most:
            few = f"expected at most {most:,} sizes of hidden layers, got {len(sizes)}"
            raise ValueError(f"{self.model}: {few if most else 'its layers have fixed sizes: leave out --hidden'}")
        if self.model == "rnn" and len(set(sizes)) > 1:
            raise ValueError(f"rnn: expected hidden layers of one size, got {', '.join(map(str, sizes))}")
        if self.cell not in CELLS or (self.cell != "rnn" and self.model not in ("rnn", "charrnn")):
            raise ValueError(f"{self.model}: cells ({', '.join(CELLS)}) are for rnn and charrnn, got {self.cell!r}")
        if type(p) not in (int, float) or not 0 <= p < 1:
            raise ValueError(f"{self.model}: expected a dropout of at least 0 and below 1, got {p!r}")
        if self.variant not in VARIANTS or (self.variant != "modern" and self.model != "lenet5"):
            raise ValueError(f"{self.model}: variants ({', '.join(VARIANTS)}) are for lenet5, got {self.variant!r}")
        if self.variant == "1998" and self.outputs > 83:
            raise ValueError(f"lenet5: expected at most 83 classes for the variant of 1998, got {self.outputs}")

    @classmethod
    def for_images(cls, model: str, data: ImageData, **options: Any) -> "Recipe":
        """The recipe for a classifier of this data set; ``options`` are hidden, cell, dropout and variant."""
        _, C, H, W = data.x_train.shape
        raw = cls(model, data.name, (H, W), 0.0, 1.0, data.classes, digest=images_digest(data), channels=C, **options)
        prepare = raw.preprocessing
        pixels = prepare.enlarged(data.x_train) if isinstance(prepare, Pixels) else data.x_train
        mean, std = float(pixels.mean() / 255), float(pixels.std() / 255) or 1.0
        return replace(raw, mean=mean, std=std)

    @classmethod
    def for_table(cls, data: TableData, model: str = "mlp", **options: Any) -> "Recipe":
        """The recipe for a network that learns this table, which is a file."""
        return cls(model, data.name, digest=file_digest(data.name), table=data.encoder, **options)

    @classmethod
    def for_text(cls, data: TextData, **options: Any) -> "Recipe":
        """The recipe for a character model of this text."""
        digest = _digest(data.train, data.test)
        return cls("charrnn", data.name, vocabulary=data.vocabulary, digest=digest, **options)

    @property
    def outputs(self) -> int:
        """The number of outputs of a classifier or a table's network."""
        return len(self.table.classes) or 1 if self.table else len(self.classes)

    @property
    def features(self) -> int:
        """The number of features that an MLP takes."""
        return self.table.width if self.table else math.prod((self.channels, *self.image_shape))

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes of the hidden layers."""
        return self.hidden or HIDDEN.get(self.model, ())

    @property
    def loss(self) -> RBFLoss | None:
        """The paper's loss for its LeNet-5; None for the task's default loss."""
        return RBFLoss() if self.variant == "1998" else None

    def build(self, rng: Rng = None) -> Sequential:
        """The network with new weights; the same generator draws dropout's masks."""
        rng = np.random.default_rng(rng)
        model = self._network(rng)
        if self.dropout:
            layers: list[Layer] = []
            for layer in model.layers:
                layers += [Dropout(self.dropout, rng=rng)] if layers and isinstance(layer, Dense) else []
                layers.append(layer)
            model.layers = layers
        return model

    def _network(self, rng: np.random.Generator) -> Sequential:
        C, (H, W) = self.channels, self.image_shape
        if self.model == "mlp":
            return MLP((self.features, *self.sizes, self.outputs), rng=rng)
        if self.model == "lenet5":
            return LeNet5(32 if max(H, W) > 28 else 28, self.outputs, C, variant=self.variant, rng=rng)
        if self.model == "rnn":
            cell, layers = CELLS[self.cell], len(self.sizes)
            return RNNClassifier(C * W, self.sizes[0], self.outputs, cell=cell, num_layers=layers, rng=rng)
        return CharRNN(self.vocabulary, self.sizes[0], cell=CELLS[self.cell], rng=rng)

    @property
    def preprocessing(self) -> Preprocessing | None:
        """The preprocessing that turns the data into the input; None for a text."""
        if self.pixels or self.table or not self.classes:
            return self.pixels or self.table
        shape: tuple[int, int, int] = (self.channels, *self.image_shape)
        layout = {"mlp": "flat", "rnn": "rows"}.get(self.model, "images")
        side = 28 if max(shape[1:]) <= 28 else 32
        size = (side, side) if self.model == "lenet5" else None
        return Pixels(shape, self.mean, self.std, layout, size)  # type: ignore[arg-type]

    @property
    def names(self) -> tuple[str, ...] | None:
        """The names of the classes; None if there are none."""
        return (self.table.classes if self.table else self.classes) or None

    def inputs(self, images: np.ndarray) -> np.ndarray:
        """The network's input, float32, from uint8 images (N, C, H, W)."""
        if self.model == "lenet5" and max(images.shape[2:]) > 32:
            raise ValueError(f"lenet5: expected images of at most 32x32, got {images.shape[2]}x{images.shape[3]}")
        prepare = self.preprocessing
        assert isinstance(prepare, Pixels)
        return prepare(images)

    def built_in(self) -> tuple[str, ...]:
        """The named data sets on which a network of this kind may have been trained."""
        return TEXTS if self.model == "charrnn" else () if self.table else IMAGES

    def metadata(self, history: History = _NO_ROWS, rng: np.random.Generator | None = None) -> dict[str, str]:
        """The recipe and the history as metadata for :func:`xpnn.save`.

        The same run gives the same bytes: there is one key, since safetensors writes several in any order, and the
        seconds are omitted. ``rng`` is the generator of dropout's masks, whose state is kept for resuming the run.
        """
        rows = [{key: value for key, value in row.items() if key != "seconds"} for row in history]
        masks = rng.bit_generator.state if rng and self.dropout else None
        fields = {key: value for key, value in asdict(self).items() if key != "pixels"}
        return {"xpnn": json.dumps({**fields, "history": rows, "begun": history.begun, "masks": masks})}


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
