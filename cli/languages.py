"""The reader's language: English, or Chinese for the commands that teach."""

import argparse
import difflib
import functools
import re
from typing import Any, NoReturn

from ..learn.words import LANGUAGES, language, translated
from .streams import escaped

TEACHING = {"learn", "explore"}


class Parser(argparse.ArgumentParser):
    """A parser that reports each error in one line."""

    place = ""  # the origin of the words, if not the command line

    def __init__(self, *args: Any, language: str = "en", **kwargs: Any) -> None:
        self.language = language
        super().__init__(*args, **kwargs)
        self.description, self.epilog = self.said(self.description), self.said(self.epilog)
        for group in self._action_groups:
            group.title = self.said(group.title)

    def said(self, text: str | None) -> str | None:
        """A help text in the reader's language; its columns are translated one by one."""
        return text and re.sub(r"\S+(?: \S+)*", lambda match: translated(match[0], self.language), text)

    def add_argument(self, *args: Any, **kwargs: Any) -> argparse.Action:
        return super().add_argument(*args, **kwargs | {"help": self.said(kwargs.get("help"))})

    def add_subparsers(self, **kwargs: Any) -> Any:
        """Add subparsers of the same language."""
        kwargs["parser_class"] = functools.partial(Parser, language=self.language)
        return super().add_subparsers(**kwargs)

    def format_help(self) -> str:
        return super().format_help().replace("usage: ", translated("usage: ", self.language), 1)

    def parse_known_args(self, *args: Any, **kwargs: Any) -> Any:
        """Report unknown words here, where the command that they were given to is known."""
        parsed, rest = super().parse_known_args(*args, **kwargs)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return parsed, rest

    def error(self, message: str) -> NoReturn:
        text = f"{self.prog}: error: {self.place}{message}{self._meant(message)} (see {self.prog} --help)"
        self.exit(2, escaped(translated(text, self.language)) + "\n")

    def _meant(self, message: str) -> str:
        """A suggestion: the known word that is most similar to the unknown one."""
        unknown = re.search(r"(?:unrecognized arguments: |invalid choice: ')([\w-]+)", message)
        if unknown is None:
            return ""
        choices = [str(word) for action in self._actions for word in action.choices or ()]
        known = [*self._option_string_actions, *choices]
        like = difflib.get_close_matches(unknown[1].lower(), known, 1)
        return "".join(f"; did you mean {word}?" for word in like if word != unknown[1])


def language_of(words: list[str]) -> str:
    """The language of a command line: from --lang, else the environment; English for commands without translation."""
    if not TEACHING & set(words):
        return "en"
    chosen = re.search(rf"--lang[= ]({'|'.join(LANGUAGES)})\b", " ".join(words))
    return chosen[1] if chosen else language()
