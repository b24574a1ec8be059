"""Types of command-line arguments: each function returns a word's value, or says what was expected."""

import argparse
import os
from pathlib import Path

from ..data import images, text
from ..training import Checkpoint
from .augment import augmentation


def augmented(word: str) -> str:
    try:
        augmentation(word)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("Augmented: ")) from None
    return word


def new_path(word: str) -> Path:
    if not word:
        raise argparse.ArgumentTypeError("expected a path, got an empty word")
    return Path(word)


def folder(word: str) -> Path:
    if os.path.exists(word) and not os.path.isdir(word):
        raise argparse.ArgumentTypeError(f"expected a folder, got the file {word}")
    return new_path(word)


def existing(word: str) -> Path:
    path = new_path(word)
    if not os.path.exists(path):  # also False for a name that is too long
        raise argparse.ArgumentTypeError(f"there is no {word}")
    return path


def data(name: str) -> str:
    if name not in (*images.BUILT_IN, *text.BUILT_IN):
        if not os.path.exists(name):
            raise argparse.ArgumentTypeError(f"{name!r} is neither {', '.join(images.BUILT_IN)} nor an existing path")
    elif os.path.isfile(name) or any(Path(name).glob("*ubyte*")) or any(Path(name).glob("*/")):
        raise argparse.ArgumentTypeError(
            f"{name!r} is a built-in data set, but this folder has data of that name: write ./{name} to use them, or "
            "work in another folder to use the built-in ones"
        )
    return name


def prompt(word: str) -> str:
    if not word:
        raise argparse.ArgumentTypeError("expected at least one character; omit --prompt to begin with a new line")
    return word


def natural(word: str, least: int = 0) -> int:
    if not word.isdecimal() or int(word) < least:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least {least}, got {word!r}")
    return int(word)


def positive_int(word: str) -> int:
    return natural(word, 1)


def sizes(word: str) -> tuple[int, ...]:
    if not all(size.isdecimal() and int(size) for size in word.split(",")):
        raise argparse.ArgumentTypeError(f"expected sizes of layers, such as 128 or 128,64, got {word!r}")
    return tuple(map(int, word.split(",")))


def pixels(word: str) -> tuple[int, int]:
    sides = word.split("x")
    if not all(side.isdecimal() and int(side) for side in sides) or len(sides) > 2:
        raise argparse.ArgumentTypeError(f"expected pixels, such as 32 or 28x20 (height x width), got {word!r}")
    return int(sides[0]), int(sides[-1])


def index_list(word: str) -> tuple[int, ...]:
    return tuple(map(natural, word.split(",")))


def port(word: str) -> int:
    if natural(word) > 65_535:
        raise argparse.ArgumentTypeError(f"expected a port of at most 65535, got {word}")
    return int(word)


def positive(word: str) -> float:
    value = _number(word)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {word!r}")
    return value


def interval(word: str) -> str:
    try:
        Checkpoint("", word)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("Checkpoint: ")) from error
    return word


def share(word: str) -> float:
    value = _number(word)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 0 and below 1, got {word!r}")
    return value


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return float("nan")
