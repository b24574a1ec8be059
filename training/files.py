"""Files that are always whole: what was there before, or all of what takes its place."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Where to write what is to take the file's place at the end; after an error the file stays as it was."""
    part = Path(f"{path}.part")
    try:
        yield part
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
