"""The page in one file: its texts, equations, style and script, and the answers of a page kept in a file."""

import html
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .pictures import Pictures
from .questions import RATE, SCALES, kept

HERE = Path(__file__).parent
SCRIPTS = "page", "maps", "lenet", "draw", "network", "rnn"
CONTENT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
WORDS: dict[str, dict[str, str]] = tomllib.loads((HERE / "words.toml").read_text("utf-8"))
EQUATIONS: dict[str, dict[str, str]] = tomllib.loads((HERE / "equations.toml").read_text("utf-8"))


def page(pictures: Pictures, language: str = "en") -> str:
    """The page that gets its results from the server, as HTML.

    >>> from xpnn.explore import Pictures, page
    >>> images, labels = np.zeros((3, 1, 8, 8), "uint8"), np.arange(3)
    >>> model = Sequential(Conv2D(1, 4, 3, rng=0), ReLU(), Flatten(), Dense(144, 3, rng=0))
    >>> pictures = Pictures(model, images, labels, ["one", "two", "three"], lambda images: images / 255)
    >>> page(pictures, language="zh")
    '<!DOCTYPE html>...
    """
    return _filled(pictures, language, None)


def frozen(pictures: Pictures, samples: Sequence[int] = (0, 1, 2), language: str = "en") -> str:
    """The page with all its results for these samples, as HTML that needs no server.

    Raises:
        ValueError: a sample is not the index of a held-out picture.

    >>> from xpnn.explore import Pictures, frozen
    >>> images, labels = np.zeros((3, 1, 8, 8), "uint8"), np.arange(3)
    >>> model = Sequential(Conv2D(1, 4, 3, rng=0), ReLU(), Flatten(), Dense(144, 3, rng=0))
    >>> pictures = Pictures(model, images, labels, ["one", "two", "three"], lambda images: images / 255)
    >>> frozen(pictures, samples=[0, 2])
    '<!DOCTYPE html>...
    """
    told = {json.dumps(question, separators=(",", ":")): answer for question, answer in kept(pictures, samples)}
    return _filled(pictures, language, {"answers": told, "samples": list(samples)})


def _filled(pictures: Pictures, language: str, told: dict[str, Any] | None) -> str:
    data = {
        "language": language, "words": WORDS, "equations": {key: _placed(one) for key, one in EQUATIONS.items()},
        "about": pictures.about(), "frozen": told, "rate": RATE, "scales": SCALES,
    }  # fmt: skip
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    parts = {
        "STYLE": _read("page.css"),
        "SCRIPT": "".join(_read(f"{name}.js") for name in SCRIPTS),
        "DATA": text,
        "LANGUAGE": html.escape(language),
    }
    head, *rest = _read("page.html").split("{{")
    return head + "".join(parts[name] + after for name, _, after in (one.partition("}}") for one in rest))


def _placed(equation: dict[str, str]) -> dict[str, str]:
    """An equation with its line number in the installed file."""
    lines = (HERE.parent / equation["file"]).read_text("utf-8").splitlines()
    number = next(i for i, line in enumerate(lines, 1) if equation["line"] in line)
    return {**equation, "place": f"{equation['file']}:{number}"}


def _read(name: str) -> str:
    return (HERE / name).read_text("utf-8")
