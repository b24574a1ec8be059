"""Libraries that come with the package's extras."""

from importlib import import_module
from typing import Any


def needed(module: str, why: str, extra: str) -> Any:
    """The module; if it is missing, an ImportError that says why it is needed, and which extra installs it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(f"{why}: install xpnn's extra [{extra}]") from error
