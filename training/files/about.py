"""The text beside a file's arrays that completes it: the network's architecture, its classes and its preprocessing."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...backend import describe
from ...data.preprocessing import Preprocessing, preprocessing_to
from ...layers import Layer
from ...models.architecture import architecture

KEY = "xpnn.network"  # the key in the metadata
VERSION = 1
"""The version of the text under KEY. xpnn reads all earlier versions, and refuses later ones by an error."""


def about(model: Layer, classes: Sequence[str] | None, preprocessing: Preprocessing | None) -> dict[str, str]:
    """The metadata that :func:`load_model` and :func:`read_about` read."""
    said: dict[str, Any] = {"version": VERSION, "network": architecture(model)}
    said |= {} if classes is None else {"classes": texts(classes)}
    said |= {} if preprocessing is None else {"preprocessing": preprocessing_to(preprocessing)}
    return {KEY: json.dumps(said, allow_nan=False)}


def read_own(path: str | Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    """The value under KEY in a file's metadata; {} if there is none, or one that xpnn did not write."""
    try:
        said = json.loads(metadata.get(KEY, "{}"))
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        return {}
    version = said.get("version", VERSION)
    if not isinstance(version, int) or version > VERSION:
        raise ValueError(f"{path} has the format {version!r}, this xpnn reads up to {VERSION}: install a newer xpnn")
    return said


def made_by() -> str:
    """The version of xpnn and the backend, to note in a file."""
    from ... import __version__  # here, since it is defined after this module is imported

    return f"xpnn {__version__}, {describe()}"


def texts(names: Sequence[str]) -> tuple[str, ...]:
    """The names of classes as a tuple; TypeError if they are not texts."""
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"classes: expected a sequence of texts, got {names!r}")
    return tuple(names)
