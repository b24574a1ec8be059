"""The table of a training run: one row per epoch."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from ..data.files import write_file
from ..plots import curves


class History(list[dict[str, float]]):
    """The table of a run: a list of rows, each a dict from column to number.

    Columns: epoch, loss, accuracy (classifiers), val_loss, val_accuracy (with validation data), lr (of the epoch's
    first step), seconds; any may be missing.

    Attributes:
        signal: the number of the signal that ended the run (2 for Ctrl-C); 0 if none did.
        begun: the unfinished epoch, if a signal ended the run between two steps: samples and steps so far, their sums
            of loss and accuracy, lr, seconds; ``fit`` resumes there. None if the signal came within a step.

    >>> History([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}]).column("loss")
    [0.5, 0.25]
    """

    signal = 0
    begun: dict[str, float] | None = None

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C, or another signal that the program treats in the same way, ended the run."""
        return self.signal != 0

    def column(self, name: str) -> list[float]:
        """One column in the order of the epochs; rows without it are left out."""
        return [row[name] for row in self if name in row]

    def to_csv(self, path: str | Path) -> None:
        """Write the table with a header line."""
        columns = dict.fromkeys(key for row in self for key in row)
        table = io.StringIO()
        writer = csv.DictWriter(table, list(columns) or ["epoch"])
        writer.writeheader()
        writer.writerows(self)
        write_file(path, table.getvalue().encode())

    @classmethod
    def from_csv(cls, path: str | Path) -> "History":
        """Read a file that :meth:`to_csv` wrote.

        Raises:
            OSError: the file cannot be read.
            ValueError: the file does not hold such a table.
        """
        try:
            with open(path, newline="", encoding="utf-8-sig") as file:
                rows = list(csv.DictReader(file))
            return cls({key: int(v) if v.isdecimal() else float(v) for key, v in row.items() if v} for row in rows)
        except (ValueError, AttributeError, TypeError, csv.Error) as error:
            raise ValueError(f"{path} is not a history ({error})") from error

    def plot(self, path: str | Path) -> None:
        """Plot loss and accuracy over the epochs to a file (PNG, SVG or PDF, by the path's suffix).

        Raises:
            ImportError: matplotlib is missing; the message names the extra.
            ValueError: no row has a loss or another score.
        """
        picture = io.BytesIO()
        curves(self).savefig(picture, dpi=150, format=Path(path).suffix[1:] or "png")
        write_file(path, picture.getvalue())

    def __str__(self) -> str:
        return "\n".join(format_row({"epoch": i, **row}) for i, row in enumerate(self, 1))


def numbers(row: Mapping[str, float]) -> dict[str, float]:
    """A row from a file, which may be a stranger's; TypeError for a value that is not a number."""
    return {key: value + 0 for key, value in row.items()}


def format_row(row: dict[str, float]) -> str:
    """One epoch as a line of text."""
    columns = {
        "epoch": "epoch {:>3.0f}", "loss": "loss {:.4f}", "accuracy": "accuracy {:.4f}",
        "val_loss": "held out: loss {:.4f}", "val_accuracy": "accuracy {:.4f}", "seconds": "{:.1f} s",
    }  # fmt: skip
    return "  ".join(text.format(row[column]) for column, text in columns.items() if column in row)
