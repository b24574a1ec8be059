"""The texts of the commands that teach, in English and in Chinese."""

import os
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

LANGUAGES = "en", "zh"
HERE = Path(__file__).parent
SAID: dict[str, dict[str, str]] = tomllib.loads((HERE / "words.toml").read_text("utf-8"))
CHINESE: dict[str, str] = tomllib.loads((HERE / "chinese.toml").read_text("utf-8"))


def say(key: str, language: str = "en", **values: Any) -> str:
    """One of the grader's sentences, with these values filled in."""
    return SAID[key][language].format(**values)


def language() -> str:
    """ "zh" if the environment says so, else "en"."""
    chosen = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    return "zh" if chosen.startswith("zh") else "en"


def translated(text: str, language: str) -> str:
    """An English text, which may contain values, in another language; it stays English if ``chinese.toml`` lacks it.

    >>> from xpnn.learn.words import translated
    >>> translated("argument --limit: expected one argument", "zh")
    '参数 --limit：应有一个值'
    """
    if language != "zh":
        return text
    if text in CHINESE:
        return CHINESE[text]
    for pattern, chinese in _templates():
        if match := pattern.fullmatch(text):
            return chinese.format(**{name: translated(value, language) for name, value in match.groupdict().items()})
    return text


@cache
def _templates() -> list[tuple[re.Pattern[str], str]]:
    """The texts that contain {names}, in order."""
    names = re.compile(r"\\\{(\w+)\\\}")
    return [
        (re.compile(names.sub(r"(?P<\1>.+?)", re.escape(english)), re.DOTALL), chinese)
        for english, chinese in CHINESE.items()
        if "{" in english
    ]
