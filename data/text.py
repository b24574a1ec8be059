"""Text for the character model."""

import codecs
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_CHUNK = 1 << 16  # characters that are encoded at once
_SHOWN = 20  # characters in an error message
BUILT_IN = ("topics",)
"""The names of texts, which take precedence over files of the same names."""


@dataclass(frozen=True)
class TextData:
    """A text whose end is held out.

    Attributes:
        name: the argument with which :func:`load_text` finds it again.
        train, test: the characters as indices into ``vocabulary``, int64.
        vocabulary: every character of the text, sorted.

    >>> data = load_text("topics")
    >>> "".join(data.vocabulary[i] for i in data.train[:4])
    'The '
    """

    name: str
    train: np.ndarray
    test: np.ndarray
    vocabulary: str


def load_text(
    name: str | Path = "topics", vocabulary: str | None = None, held_out: float = 0.1, *, encoding: str = "utf-8"
) -> TextData:
    """Load a text.

    Args:
        name: ``"topics"``, the English that Python's ``help()`` shows (the standard library's ``pydoc_data.topics``),
            or the path of a text file; a ``Path`` is always a file. A byte order mark at its beginning is dropped, and
            every line break becomes a line feed.
        vocabulary: the characters that a model knows; by default those of the text.
        held_out: the fraction at the end that is kept for the test.
        encoding: the file's encoding, by one of Python's names; not for topics.

    Raises:
        OSError: there is no such file, or it cannot be read.
        ValueError: the file is not in this encoding, or Python does not know the encoding; the text has fewer than
            1,000 characters, or one outside of the vocabulary; or held_out is not between 0 and 1.

    >>> data = load_text("topics", held_out=0.2)
    >>> round(len(data.test) / (len(data.train) + len(data.test)), 2)
    0.2
    """
    if not 0 < held_out < 1:
        raise ValueError(f"held_out: expected a share between 0 and 1, got {held_out}")
    if name == "topics":
        if encoding != "utf-8":
            raise ValueError("topics: encoding is only for files")
        from pydoc_data.topics import topics

        text = "\n\n".join(topics[key] for key in sorted(topics))
    else:
        try:
            text = Path(name).read_text(encoding).removeprefix("\ufeff")
        except FileNotFoundError as error:
            raise FileNotFoundError(f"no text {str(name)!r}: expected topics, or the path of a text file") from error
        except UnicodeError as error:
            other = likely_encoding(error)
            raise ValueError(
                f"{name}: not a text in {encoding.upper()} ({error}): name its encoding, such as {other}"
            ) from error
        except LookupError as error:
            raise ValueError(f"encoding: expected one that Python knows, such as utf-16 ({error})") from error
        name = Path(name).resolve()
    if len(text) < 1000:
        raise ValueError(f"{name}: expected at least 1,000 characters, got {len(text)}")
    vocabulary = "".join(sorted(set(text))) if vocabulary is None else vocabulary
    indices = encode(text, vocabulary)
    split = round(len(text) * (1 - held_out))
    return TextData(str(name), indices[:split], indices[split:], vocabulary)


def likely_encoding(error: UnicodeError) -> str:
    """The encoding to try for a file that is not in the given one."""
    start = error.object[:2] if isinstance(error, UnicodeDecodeError) else b""
    return "utf-16" if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "latin-1"


def encode(text: str, vocabulary: str) -> np.ndarray:
    """The characters' indices into the vocabulary, int64.

    Raises:
        ValueError: a character is not in the vocabulary.
    """
    unknown = "".join(sorted(set(text).difference(vocabulary)))
    if unknown:
        shown = repr(unknown[:_SHOWN]) + " and others" * (len(unknown) > _SHOWN)
        raise ValueError(f"{shown} is not in the vocabulary of {len(vocabulary)} characters")
    place = np.zeros(max(map(ord, vocabulary), default=0) + 1, dtype=np.int64)  # the index of each code point
    place[_code_points(vocabulary)] = np.arange(len(vocabulary))
    indices = np.empty(len(text), dtype=np.int64)
    for start in range(0, len(text), _CHUNK):  # in chunks, to use little memory beside the text and the result
        indices[start : start + _CHUNK] = place[_code_points(text[start : start + _CHUNK])]
    return indices


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def windows(indices: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut a text into chunks: inputs (chunks, length), and the targets, which are shifted by one character.

    A remainder at the end that is too short for a chunk is dropped.

    Raises:
        ValueError: length is below 1, or the text has fewer than length + 1 characters.

    >>> windows(np.arange(6), length=2)
    (array([[0, 1], [2, 3]]), array([[1, 2], [3, 4]]))
    """
    if length < 1:
        raise ValueError(f"windows: expected a length of at least 1, got {length}")
    count = (len(indices) - 1) // length
    if count < 1:
        raise ValueError(f"windows: expected more than {length} characters, got {len(indices)}")
    end = count * length
    return indices[:end].reshape(count, length), indices[1 : end + 1].reshape(count, length)
