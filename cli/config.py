"""The options of ``xpnn train`` as a TOML file: written beside each run, and read by ``--config``."""

import argparse
import json
import tomllib
from pathlib import Path
from typing import Any

from ..training.files.about import made_by
from .job import Job

CONFIG = "run.toml"  # in a run's folder
_NO_OPTIONS = ("command", "config")
_OF_A_CALL = (
    "answers", "checkpoint_every", "debug", "dry_run", "json", "out", "overwrite", "quiet", "rank_timeout", "ranks",
    "resume",
)  # fmt: skip


def config_of(args: argparse.Namespace, todo: Job) -> bytes:
    """The file that repeats the run: all options that decide it, including the values chosen for omitted ones."""
    chosen = {"data": todo.recipe.data, "epochs": todo.epochs, "batch_size": todo.batch_size, "lr": todo.lr}
    options = vars(args) | chosen
    options |= {"size": "x".join(map(str, args.size or ())), "hidden": todo.recipe.sizes}
    lines = [f"# xpnn train --config {CONFIG} gives this run again; it was made by {made_by()}"]
    for key, value in options.items():
        given = value is not None and value is not False and value not in ("", [], ())
        if key not in _NO_OPTIONS + _OF_A_CALL and given:
            lines.append(f"{key.replace('_', '-')} = {_toml(value)}")
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


def _toml(value: Any) -> str:
    """A number, text, or list of them as TOML; JSON writes these in the same way, except one character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def words_of(path: Path, train: argparse.ArgumentParser, args: argparse.Namespace) -> list[str]:
    """The file's options as words of a command line, without those that the command line itself gives.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is not a TOML file, or an option is unknown or of a wrong type.
    """
    try:
        options = tomllib.loads(path.read_bytes().decode("utf-8-sig", "surrogateescape"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a TOML file: {error}") from error
    usual = vars(train.parse_args([]))
    known = [key.replace("_", "-") for key in usual if key not in _NO_OPTIONS]
    words: list[str] = []
    for key, value in options.items():
        if key not in known:
            raise ValueError(f"unknown option {key!r}: expected one of {', '.join(known)}")
        name = key.replace("-", "_")
        if getattr(args, name) == usual[name]:
            words += _words(key, value, isinstance(usual[name], bool))
    return words


def _words(key: str, value: Any, is_flag: bool) -> list[str]:
    items = value if isinstance(value, list) else [value]
    if is_flag != isinstance(value, bool) or not all(isinstance(item, str | int | float) for item in items):
        raise ValueError(
            f"{key}: expected {'true or false' if is_flag else 'a text, a number or a list'}, got {value!r}"
        )
    if is_flag:
        return [f"--{key}"] * value
    if key == "model":
        return [str(value)]
    return [f"--drop={item}" for item in items] if key == "drop" else [f"--{key}={','.join(map(str, items))}"]
