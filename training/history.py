"""The table of a training run: one row per epoch."""

import csv
from pathlib import Path

from .files import replacing


class History(list[dict[str, float]]):
    """The table of a run: a list of rows, each a dict from column to number.

    Columns: epoch, loss, accuracy (classifiers), val_loss, val_accuracy (with validation data), lr (of the epoch's
    first step), seconds. ``interrupted`` says whether Ctrl-C ended the run.

    >>> History([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}]).column("loss")
    [0.5, 0.25]
    """

    interrupted = False

    def column(self, name: str) -> list[float]:
        """One column in the order of the epochs; rows without it are left out."""
        return [row[name] for row in self if name in row]

    def to_csv(self, path: str | Path) -> None:
        """Write the table with a header line."""
        with replacing(path) as part, open(part, "w", newline="", encoding="utf-8") as file:
            columns = dict.fromkeys(key for row in self for key in row)
            writer = csv.DictWriter(file, list(columns) or ["epoch"])
            writer.writeheader()
            writer.writerows(self)

    @classmethod
    def from_csv(cls, path: str | Path) -> "History":
        """Read what :meth:`to_csv` wrote.

        Raises:
            OSError: the file cannot be read.
            ValueError: it is not such a table.
        """
        try:
            with open(path, newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            return cls({key: int(v) if v.isdecimal() else float(v) for key, v in row.items() if v} for row in rows)
        except (ValueError, AttributeError, TypeError, csv.Error) as error:
            raise ValueError(f"{path} is no history ({error})") from error

    def plot(self, path: str | Path) -> None:
        """Draw loss and accuracy over the epochs into a picture (PNG, SVG or PDF, by the path's suffix).

        Raises:
            ImportError: matplotlib is missing; the message names the extra.
        """
        try:
            from matplotlib.figure import Figure
            from matplotlib.ticker import MaxNLocator
        except ImportError as error:
            raise ImportError("drawing curves needs matplotlib: install xpnn's extra [plots]") from error
        kinds = [kind for kind in ("loss", "accuracy") if self.column(kind)]
        figure = Figure(figsize=(5 * max(1, len(kinds)), 3.5), layout="constrained")
        for index, kind in enumerate(kinds):
            axes = figure.add_subplot(1, len(kinds), index + 1)
            for column, label in ((kind, "training"), (f"val_{kind}", "held out")):
                if points := [(row["epoch"], row[column]) for row in self if column in row]:
                    axes.plot(*zip(*points, strict=True), marker=".", label=label)
            axes.set(xlabel="epoch", ylabel=kind)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.grid(alpha=0.3)
            axes.legend()
        figure.savefig(path, dpi=150)

    def __str__(self) -> str:
        return "\n".join(format_row(row) for row in self)


def format_row(row: dict[str, float]) -> str:
    """One epoch as a line of text."""
    parts = [f"epoch {row['epoch']:>3.0f}", f"loss {row['loss']:.4f}"]
    parts += [f"accuracy {row['accuracy']:.4f}"] if "accuracy" in row else []
    parts += [f"held out: loss {row['val_loss']:.4f}"] if "val_loss" in row else []
    parts += [f"accuracy {row['val_accuracy']:.4f}"] if "val_accuracy" in row else []
    return "  ".join([*parts, f"{row['seconds']:.1f} s"])
