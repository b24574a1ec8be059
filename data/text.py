"""Text for the character model."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class TextData:
    """A text, its end held out.

    Attributes:
        name: how :func:`load_text` finds it again.
        train, test: the characters as indices into ``vocabulary``, int64.
        vocabulary: every character of the text, sorted.
    """

    name: str
    train: np.ndarray
    test: np.ndarray
    vocabulary: str


def load_text(name: str | Path = "topics", held_out: float = 0.1) -> TextData:
    """Load a text.

    Args:
        name: ``"topics"``, the English that Python's ``help()`` shows (the standard library's ``pydoc_data.topics``), or
            the path of a text file in UTF-8.
        held_out: the share at the end that is kept for the test.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not UTF-8, or has fewer than 1,000 characters.
    """
    if name == "topics":
        from pydoc_data.topics import topics

        text = "\n\n".join(topics[key] for key in sorted(topics))
    else:
        try:
            text = Path(name).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{name}: not a text in UTF-8 ({error})") from error
    if len(text) < 1000:
        raise ValueError(f"{name}: {len(text)} characters, expected 1,000 at the least")
    vocabulary, indices = np.unique(list(text), return_inverse=True)
    split = round(len(text) * (1 - held_out))
    indices = indices.astype(np.int64)
    return TextData(str(name), indices[:split], indices[split:], "".join(vocabulary))


def windows(indices: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut a text into pieces: inputs (pieces, length), and as targets the same shifted by one character.

    Raises:
        ValueError: the text is shorter than one piece and its next character.
    """
    count = (len(indices) - 1) // length
    if count < 1:
        raise ValueError(f"windows: expected more than {length} characters, got {len(indices)}")
    end = count * length
    return indices[:end].reshape(count, length), indices[1 : end + 1].reshape(count, length)
