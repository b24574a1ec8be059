"""What the grader says, from ``words.toml``."""

import os
import tomllib
from pathlib import Path
from typing import Any

SAID: dict[str, dict[str, str]] = tomllib.loads(Path(__file__).with_name("words.toml").read_text("utf-8"))


def say(key: str, language: str = "en", **values: Any) -> str:
    """A sentence of the grader's, with these values in it."""
    return SAID[key][language].format(**values)


def language() -> str:
    """ "zh" if the environment says so, else "en"."""
    chosen = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    return "zh" if chosen.startswith("zh") else "en"
