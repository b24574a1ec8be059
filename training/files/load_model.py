"""Build the network that a file describes."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ...data.preprocessing import Preprocessing, preprocessing_from
from ...layers import Layer
from ...layers.init import without_draws
from ...models.architecture import ArchitectureError, built
from .about import read_own, texts
from .saving import load, read_header

_IN_PYTHON = "build it in Python, and read the arrays by xpnn.load(model, path)"


class About(NamedTuple):
    """A network's classes and preprocessing, as its file has them.

    Attributes:
        classes: the names of the labels, in order; () if the file has none.
        preprocessing: turns pictures, or a table's rows, into the network's input; None if the file has none.

    >>> About(("cat", "dog"), Pixels((1, 8, 8), mean=0.5)).preprocessing.mean
    0.5
    """

    classes: tuple[str, ...]
    preprocessing: Preprocessing | None


class NotWholeError(ValueError):
    """A file does not say how its network is built."""


def load_model(path: str | Path, layers: Iterable[type[Layer]] = ()) -> Layer:
    """The network that :func:`save` wrote: built from the file, with its parameters and buffers.

    The file holds the names of layers and the arguments of their constructors, never code. They are checked before
    anything is built: only layers of xpnn's are built, at most 10,000, and none with more elements than the file has. A
    stranger's file therefore costs at most 100 times its size and 30 MB.

    Args:
        path: the file.
        layers: your own layer classes in the network; their constructors must check the arguments that come from the
            file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not a safetensors file or is damaged; it does not say how its network is built, or was
            written by a newer xpnn; or its network has an unknown layer, or other arrays than the file.

    >>> save(MLP((3, 2)), "model.safetensors")
    >>> load_model("model.safetensors")
    MLP(Dense(3, 2))
    """
    metadata, arrays = read_header(path)
    said = read_own(path, metadata)
    if "network" not in said:
        raise NotWholeError(f"{path} does not say how its network is built: {_IN_PYTHON}")
    try:
        with without_draws():
            model = built(said["network"], sum(math.prod(shape) for _, shape in arrays.values()), layers)
    except ArchitectureError as error:
        raise ValueError(f"{path} describes no valid network: {error}. Otherwise {_IN_PYTHON}") from error
    load(model, path)
    return model


def read_about(path: str | Path) -> About:
    """A file's classes and preprocessing. Errors as for :func:`load_model`.

    >>> save(MLP((3, 2)), "model.safetensors", classes=("cat", "dog"))
    >>> read_about("model.safetensors").classes
    ('cat', 'dog')
    """
    said = read_own(path, read_header(path)[0])
    try:
        given = said.get("preprocessing")
        return About(texts(said.get("classes", ())), None if given is None else preprocessing_from(given))
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: its classes or its preprocessing are malformed ({error})") from error
