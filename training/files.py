"""Atomic replacement of files: afterwards a file is complete, either the new one or the old one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A temporary path, which replaces the file when the block ends; after an error the file is unchanged."""
    part = Path(f"{path}.part")
    try:
        yield part
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
