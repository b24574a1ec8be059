"""Tables: CSV, TSV and Parquet files, through pandas."""

import csv
import gzip
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .encoder import TableEncoder, as_frame, pandas
from .split import split

_TEXTS, _PARQUET = (".csv", ".tsv", ".tab"), (".parquet", ".pq")
_LONGEST = 1 << 20  # characters of a header


@dataclass(frozen=True)
class TableData:
    """A table, a share of whose rows is held out.

    Attributes:
        name: the argument with which :func:`load_table` finds it again.
        x_train, x_test: float32 (rows, features).
        y_train, y_test: int64 (rows,), each an index into ``encoder.classes``; or float32 (rows, 1), standardised.
        encoder: how rows become these, also new rows, and what a network's outputs mean.

    >>> import pandas as pd
    >>> data = load_table(pd.DataFrame({"a": [1, 2, 3, 4], "kind": list("uuvv")}), target="kind")
    >>> data.x_train.shape, data.y_test, data.encoder.classes
    ((2, 1), array([0, 1]), ('u', 'v'))
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    encoder: TableEncoder


def load_table(
    source: Any,
    target: str,
    *,
    drop: Sequence[str] = (),
    task: str | None = None,
    test_share: float = 0.2,
    seed: int = 0,
    encoding: str = "utf-8",
) -> TableData:
    """Load a table with a header, one column of which is to be predicted from the others.

    What becomes of numbers, categories and missing values, :class:`TableEncoder` says; all that it learns, it learns
    from the training rows. A first column without a name, as pandas writes its index, is left out.

    Args:
        source: the path of a CSV file (separated by ``,``, ``;``, tabs or ``|``, whichever is commonest in the header),
            a TSV file, either of them gzipped or not, or a Parquet file; or a pandas DataFrame, or what it is made of.
        target: the name of the column to be predicted.
        drop: the names of columns to be left out, such as identifiers.
        task: ``"classification"`` or ``"regression"``; by default classification if the target holds texts, booleans,
            or at most 100 different whole numbers.
        test_share: of the rows, of each class, to be held out.
        seed: of the choice of these rows.
        encoding: of a text file, by one of Python's names.

    Raises:
        ImportError: pandas is missing, or what it reads Parquet with; the message names the extra.
        OSError: the file cannot be read.
        ValueError: it is no such file, has no header, or two columns of one name; a column that is named is not there;
            or as :meth:`TableEncoder.fit` raises.

    >>> with open("wine.csv", "w") as file:
    ...     size = file.write("alcohol,colour,class\\n" + "14.2,red,0\\n12.3,,1\\n13.1,white,1\\n13.9,red,0\\n" * 5)
    >>> data = load_table("wine.csv", target="class")
    >>> model = MLP((data.x_train.shape[1], 8, len(data.encoder.classes)), rng=0)
    >>> history = fit(model, data.x_train, data.y_train, epochs=100, verbose=False)
    >>> data.encoder.decode(predict(model, data.encoder.transform({"alcohol": [14.0, 12.5], "colour": ["red", None]})))
    array(['0', '1'], dtype='<U1')
    """
    is_file = isinstance(source, str | Path)
    rows = read_table(source, encoding) if is_file else as_frame(source)
    name = str(Path(source).resolve()) if is_file else type(source).__name__
    where = str(source) if is_file else "load_table"
    try:
        if unknown := set(drop) - set(rows.columns):
            raise ValueError(f"there is no column {min(unknown)!r} to drop")
        rows = rows.drop(columns=list(drop))
        whole = TableEncoder.fit(rows, target, task)
        train, test = split_rows(rows, whole, test_share, seed)
        encoder = TableEncoder.fit(train, target, "classification" if whole.classes else "regression")
        parts = [(encoder.transform(part), encoder.targets(part)) for part in (train, test)]
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    return TableData(name, *parts[0], *parts[1], encoder)


def split_rows(rows: Any, encoder: TableEncoder, test_share: float = 0.2, seed: int = 0) -> tuple[Any, Any]:
    """The training and the test part of a DataFrame, as :func:`load_table` splits it."""
    labels = encoder.targets(rows) if encoder.classes else np.zeros(len(rows))
    train, test = split(labels, test_share, seed)
    return rows.iloc[train], rows.iloc[test]


def is_table(path: str | Path) -> bool:
    """Whether a path is a table's, by its suffix."""
    return Path(str(path).lower().removesuffix(".gz")).suffix in _TEXTS + _PARQUET


def read_table(path: str | Path, encoding: str = "utf-8") -> Any:
    """The rows of a file as a DataFrame. Errors as for :func:`load_table`."""
    pd, path = pandas(), Path(path)
    if not is_table(path):
        raise ValueError(f"{path}: expected a table, with the suffix {', '.join(_TEXTS + _PARQUET)}")
    try:
        if path.suffix.lower() in _PARQUET:
            return pd.read_parquet(path)
        separator = _separator(path, encoding)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # of rows that are longer than the header
            rows = pd.read_csv(path, sep=separator, encoding=encoding, index_col=False, low_memory=False)
    except ImportError as error:
        raise ImportError(f"reading {path} needs pyarrow: install xpnn's extra [tables]") from error
    except (ValueError, LookupError, EOFError, csv.Error, Warning) as error:
        raise ValueError(f"{path} is not a readable table ({error})") from error
    unnamed = str(rows.columns[0]).startswith("Unnamed: 0")
    return rows.iloc[:, 1:] if unnamed else rows


def _separator(path: Path, encoding: str) -> str:
    """What separates the columns, by the header, which is checked to be one."""
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    with opened(path, "rt", encoding=encoding, newline="") as file:
        line = str(file.readline(_LONGEST)).removeprefix("\ufeff").strip("\r\n")
    separator = max(",;\t|", key=line.count)
    names = next(csv.reader([line], delimiter=separator), [])
    if not any(names) or all(map(_is_number, names)):
        raise ValueError(f"expected the columns' names in its first line, got {line[:60]!r}")
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"several columns are called {twice[0]!r}")
    return separator


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
