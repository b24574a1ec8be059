"""Tables: CSV, TSV and Parquet files, through pandas."""

import bz2
import csv
import gzip
import io
import lzma
import re
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .encoder import Column, TableEncoder, as_frame
from .kinds import pandas
from .split import split
from .text import likely_encoding

_TEXTS, _PARQUET = (".csv", ".tsv", ".tab"), (".parquet", ".pq")
_PACKED = (".gz", ".bz2", ".xz", ".zip")
_PACKERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
_BROKEN = (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError)
_LONGEST = 1 << 20  # the most characters in a header
_UNPACKED = 1 << 25, 100  # a packed file may expand to this many bytes, or this many times its own size


class TableWarning(UserWarning):
    """A column may have been read in another way than was intended."""


@dataclass(frozen=True)
class TableData:
    """A table of which a share of the rows is held out.

    Attributes:
        name: the argument with which :func:`load_table` finds it again.
        x_train, x_test: float32 (rows, features).
        y_train, y_test: int64 (rows,), each an index into ``encoder.classes``; or float32 (rows, 1), standardised.
        encoder: turns rows, also new ones, into these arrays, and a network's outputs into the table's values.

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
    """Load a table with a header, to predict one column from the others.

    :class:`TableEncoder` encodes numbers, categories and missing values; it is fitted to the training rows only. A
    first column without a name, as pandas writes its index, is ignored, and so are other columns without a name and
    values.

    Args:
        source: the path of a CSV file (separated by ``,``, ``;``, tabs or ``|``, whichever is the most frequent in the
            header) or a TSV file, compressed (gzip, bz2, xz, zip) or not, or a Parquet file; or a pandas DataFrame, or
            anything that ``pandas.DataFrame`` takes. If the separator is not ``,``, numbers may have decimal commas.
        target: the name of the column to predict.
        drop: the names of columns to omit, such as identifiers.
        task: ``"classification"`` or ``"regression"``; by default classification if the target holds texts, booleans,
            or at most 100 different whole numbers.
        test_share: the share of the rows, of each class, to hold out.
        seed: seed of the choice of these rows.
        encoding: the encoding of a text file, by one of Python's names.

    Raises:
        ImportError: pandas, or its reader for Parquet, is missing; the message names the extra.
        OSError: the file cannot be read.
        ValueError: the file is not a table, has no header, or has two columns of the same name; a named column does not
            exist; or as for :meth:`TableEncoder.fit`.

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
        whole = TableEncoder.fit(rows, target, task)  # fitted to all rows, so that errors name a row of the table
        train, test = split_rows(rows, whole, test_share, seed)
        encoder = TableEncoder.fit(train, target, "classification" if whole.classes else "regression")
        parts = [(encoder.transform(part), encoder.targets(part)) for part in (train, test)]
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    for column in (*encoder.columns, encoder.target) if is_file else ():
        _warn_of_numbers(column)
    return TableData(name, *parts[0], *parts[1], encoder)


def _warn_of_numbers(column: Column) -> None:
    """Warn of categories that may be meant as numbers (a ? may stand for a missing one) or as dates."""
    begin = sum(bool(re.match(r"\W*\d", text)) for text in column.categories)
    if begin > 10 and 2 * begin > len(column.categories) and not all(map(str.isdecimal, column.categories)):
        warnings.warn(
            f"column {column.name!r} holds texts that begin like numbers or dates, such as {column.categories[0]!r}: "
            "each becomes a category. Write numbers plainly and leave missing ones empty, or drop the column",
            TableWarning,
            stacklevel=3,
        )


def split_rows(rows: Any, encoder: TableEncoder, test_share: float = 0.2, seed: int = 0) -> tuple[Any, Any]:
    """The training and the test part of a DataFrame, as :func:`load_table` splits it."""
    labels = encoder.targets(rows) if encoder.classes else np.zeros(len(rows))
    train, test = split(labels, test_share, seed)
    return rows.iloc[train], rows.iloc[test]


def is_table(path: str | Path) -> bool:
    """Whether a path's suffix is that of a table."""
    name = Path(str(path).lower())
    return (name.with_suffix("") if name.suffix in _PACKED else name).suffix in _TEXTS + _PARQUET


def read_table(path: str | Path, encoding: str = "utf-8", texts: Sequence[str] = ()) -> Any:
    """The rows of a file as a DataFrame. Errors as for :func:`load_table`.

    Args:
        path, encoding: the file and its encoding.
        texts: columns whose values stay texts, such as 007; pandas decides whether other columns hold numbers.
    """
    pd, path = pandas(), Path(path)
    if not is_table(path):
        raise ValueError(f"{path}: expected a table, with the suffix {', '.join(_TEXTS + _PARQUET)}")
    try:
        with open(path, "rb") as file:
            start = file.read(6)
        if start.startswith(b"PAR1") or path.suffix.lower() in _PARQUET:
            return pd.read_parquet(path)
        with _opened(path, start, encoding) as file:
            separator, skipped = _separator(file)
        with _opened(path, start, encoding) as file, warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # given for rows that are longer than the header
            options = {"index_col": False, "low_memory": False, "dtype": dict.fromkeys(texts, str)}
            rows = pd.read_csv(file, sep=separator, skiprows=skipped, **options)
    except ImportError as error:
        raise ImportError(f"reading {path} needs pyarrow: install xpnn's extra [tables]") from error
    except pd.errors.ParserWarning as error:
        raise ValueError(
            f"{path} is not a readable table (rows have more values than its first line has names)"
        ) from error
    except UnicodeError as error:
        raise ValueError(
            f"{path}: not a text in {encoding.upper()} ({error}): name its encoding, such as {likely_encoding(error)}"
        ) from error
    except (ValueError, LookupError, csv.Error, *_BROKEN) as error:
        raise ValueError(f"{path} is not a readable table ({str(error).strip()})") from error
    for name in rows.columns.difference(texts) if separator != "," else ():
        rows[name] = _with_points(rows[name])
    return rows.drop(columns=[name for name in rows.columns if _is_nameless(name, rows[name])])


def _opened(path: Path, start: bytes, encoding: str) -> Any:
    """A text file, opened as packed or plain according to its first bytes, whatever its name."""
    if start.startswith(b"PK\x03\x04"):
        archive = zipfile.ZipFile(path)
        names = [name for name in archive.namelist() if not name.startswith("__MACOSX") and not name.endswith("/")]
        if len(names) != 1:
            raise ValueError(f"an archive of {len(names)} files: unpack it")
        packed: Any = archive.open(names[0])
    else:
        how = next((how for magic, how in _PACKERS.items() if start.startswith(magic)), None)
        if how is None:
            return open(path, encoding=encoding, newline="")
        packed = how(path)
    least, ratio = _UNPACKED
    bounded = io.BufferedReader(_Bounded(packed, max(least, ratio * path.stat().st_size)))
    return io.TextIOWrapper(bounded, encoding=encoding, newline="")


class _Bounded(io.RawIOBase):
    """The content of a packed file; ValueError if it is more than ``most`` bytes."""

    def __init__(self, packed: Any, most: int) -> None:
        self._packed, self._left = packed, most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count: int = self._packed.readinto(buffer)
        self._left -= count
        if self._left < 0:
            raise ValueError(f"it expands to more than {_UNPACKED[1]} times its size: if that is intended, unpack it")
        return count

    def close(self) -> None:
        self._packed.close()
        super().close()


def _separator(file: Any) -> tuple[str, int]:
    """The columns' separator, from the header, which is checked, and the number of lines before the header."""
    skipped, line = 0, "\n"
    while line.endswith("\n") and not line.strip():
        line, skipped = str(file.readline(_LONGEST)).removeprefix("\ufeff"), skipped + 1
    if len(line) >= _LONGEST - 1:
        raise ValueError(f"its first line has more than {_LONGEST:,} characters")
    line = line.strip("\r\n")
    if re.fullmatch("sep=.", line):  # Excel writes and reads this line
        return line[-1], skipped
    separator = max(",;\t|", key=line.count)
    names = next(csv.reader([line], delimiter=separator), [])
    if not any(names) or all(map(_is_number, names)):
        raise ValueError(f"expected the columns' names in its first line, got {line[:60]!r}")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(f"several columns are called {twice[0]!r}, by its first line")
    return separator, skipped - 1


def _with_points(values: Any) -> Any:
    """The column as numbers if all its texts are numbers with decimal commas.

    1,234 may be one thousand or more: at least one other text must show that the comma is a decimal one.
    """
    if values.dtype.kind != "O" and not pandas().api.types.is_string_dtype(values):
        return values
    texts = values.dropna().astype(str)
    plain = r"\s*[+-]?(\d+|\d{1,3}(\.\d{3})+)(,\d*)?\s*"
    if not texts.str.fullmatch(plain).all() or not texts.str.contains(r"^\s*[+-]?0\d*,|,(?!\d{3}\s*$)").any():
        return values
    return values.str.replace(".", "").str.replace(",", ".").astype(float)


def _is_nameless(name: str, values: Any) -> bool:
    """Whether a column is an index, which pandas writes without a name, or empty after the last separator."""
    return bool(re.fullmatch(r"Unnamed: 0(\.\d+)*", name) or (name.startswith("Unnamed: ") and values.isna().all()))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
