"""Encode a table's rows as a network's input, and decode the network's outputs."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .kinds import NUMBERS, categories, kind, pandas

_MOST_CATEGORIES = 100  # of one column, since each category becomes a feature
_MOST_CLASSES = 100  # a target with more different whole numbers is a quantity
_SHOWN = 20  # names in an error message


@dataclass(frozen=True)
class Column:
    """A column of a table, which holds numbers or categories.

    Attributes:
        name: the column's name in the header.
        mean, scale: numbers become (value - mean) / scale.
        categories: the texts that the column may hold; () for numbers.

    >>> Column("colour", categories=("red", "white")).width
    2
    """

    name: str
    mean: float = 0.0
    scale: float = 1.0
    categories: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse values that no table gives, since they may come from a stranger's file."""
        if not isinstance(self.name, str) or not isinstance(self.categories, tuple):
            raise ValueError(
                f"column: expected a name and a tuple of categories, got {self.name!r}, {self.categories!r}"
            )
        if not all(isinstance(text, str) for text in self.categories):
            raise ValueError(f"column {self.name!r}: expected texts as categories")
        numbers = self.mean, self.scale
        if not all(isinstance(number, float) and math.isfinite(number) for number in numbers) or self.scale <= 0:
            raise ValueError(f"column {self.name!r}: expected a finite mean and a scale above 0, got {numbers}")

    @property
    def width(self) -> int:
        """The number of features that the column becomes."""
        return len(self.categories) or 1


@dataclass(frozen=True)
class TableEncoder:
    """Turns the columns of a table into a network's features, and the network's outputs into the table's values.

    A column of numbers (or of booleans, as 0 and 1) becomes (value - mean) / scale, with the mean and the standard
    deviation of the training rows; a missing value becomes 0, the mean. A column of texts becomes one feature for each
    category, 1 for the row's category and 0 for the others; a missing or unknown category gives 0 for all. A target of
    classes becomes their indices; a target of numbers is standardised, too.

    Attributes:
        columns: the columns that are read, in the order of their features.
        target: the column to predict. Its categories are the classes; if it has none, it is a quantity.

    ``asdict(encoder)`` can be written as JSON, and :meth:`from_dict` reads it.

    >>> import pandas as pd
    >>> rows = pd.DataFrame({"age": [20, 40], "pet": ["cat", None], "risk": [0.5, 1.5]})
    >>> encoder = TableEncoder.fit(rows, "risk")
    >>> encoder.features
    ('age', 'pet=cat')
    >>> encoder.transform({"age": [50], "pet": ["dog"]})
    array([[2., 0.]], dtype=float32)
    >>> encoder.decode(np.array([[-1.0], [0.0]]))
    array([0.5, 1. ])
    """

    columns: tuple[Column, ...]
    target: Column

    @classmethod
    def fit(cls, rows: Any, target: str, task: str | None = None) -> "TableEncoder":
        """The encoder for these training rows.

        Args:
            rows: a pandas DataFrame, or anything that ``pandas.DataFrame`` takes.
            target: the name of the column to predict.
            task: ``"classification"`` or ``"regression"``; by default classification if the target holds texts,
                booleans, or at most 100 different whole numbers.

        Raises:
            ValueError: the target is missing, as a column or in some rows; there is no other column; a column holds
                infinity, or has more than 100 categories; or the task is neither of these.
        """
        if task not in (None, "classification", "regression"):
            raise ValueError(f"task: expected 'classification' or 'regression', got {task!r}")
        rows = as_frame(rows)
        names = list(rows.columns)
        if target not in names:
            raise ValueError(f"there is no column {target!r} for the target: the columns are {_listed(names)}")
        if len(names) < 2 or not len(rows):
            raise ValueError(f"expected rows with the target and another column, got {len(rows)} of {_listed(names)}")
        if task is None:
            held = kind(rows[target])
            few = held == "integer" and rows[target].nunique() <= _MOST_CLASSES
            task = "classification" if few or held == "boolean" or held not in NUMBERS else "regression"
        _check_complete(rows[target])
        columns = tuple(_column(values, kind(values) not in NUMBERS) for name, values in rows.items() if name != target)
        return cls(columns, _column(rows[target], task == "classification", most=None))

    @classmethod
    def from_dict(cls, fields: Any) -> "TableEncoder":
        """The encoder from the fields that ``asdict`` returned, which may have been written as JSON and read again.

        Raises:
            ValueError, TypeError, KeyError: the fields are not an encoder's.
        """
        read = [
            Column(**{**one, "categories": tuple(one["categories"])}) for one in (*fields["columns"], fields["target"])
        ]
        if not read[:-1] or set(fields) != {"columns", "target"}:
            raise ValueError("encoder: expected columns and a target")
        return cls(tuple(read[:-1]), read[-1])

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes; () for a quantity."""
        return self.target.categories

    @property
    def width(self) -> int:
        """The number of features."""
        return sum(column.width for column in self.columns)

    @property
    def texts(self) -> tuple[str, ...]:
        """The names of the columns that hold categories, including the target."""
        return tuple(column.name for column in (*self.columns, self.target) if column.categories)

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features, ``column=category`` for a category."""
        return tuple(
            f"{column.name}={text}" if text is not None else column.name
            for column in self.columns
            for text in (column.categories or (None,))
        )

    def transform(self, rows: Any) -> np.ndarray:
        """Rows as a network's input, float32 (rows, features). Other columns are ignored.

        Raises:
            ValueError: a column is missing, or holds a text or infinity where numbers are expected.
        """
        rows = as_frame(rows)
        missing = [column.name for column in self.columns if column.name not in rows.columns]
        if missing:
            raise ValueError(f"the columns {_listed(missing)} are missing")
        x = np.zeros((len(rows), self.width), np.float32)
        start = 0
        for column in self.columns:
            part, values = x[:, start : start + column.width], rows[column.name]
            if column.categories:
                codes = _codes(values, column)
                part[codes >= 0, codes[codes >= 0]] = 1
            else:
                part[:, 0] = np.nan_to_num((_numbers(values) - column.mean) / column.scale)
            start += column.width
        return x

    def targets(self, rows: Any) -> np.ndarray:
        """The rows' targets: int64 (rows,), the indices of their classes, or float32 (rows, 1), standardised.

        Raises:
            ValueError: the target is missing, as a column or in some rows, or holds an unknown class or a value that is
                not a number.
        """
        rows, target = as_frame(rows), self.target
        if target.name not in rows.columns:
            raise ValueError(f"the target {target.name!r} is missing: the columns are {_listed(rows.columns)}")
        values = rows[target.name]
        _check_complete(values)
        if not target.categories:
            return ((_numbers(values) - target.mean) / target.scale).astype(np.float32)[:, None]
        codes = _codes(values, target)
        if (codes < 0).any():
            unknown = str(values.iloc[int(codes.argmin())])
            raise ValueError(f"{target.name!r} holds {unknown!r}: the classes are {_listed(target.categories)}")
        return codes

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Turn a network's outputs (rows, K) into the names of the classes, or the quantity in its original unit."""
        if self.target.categories:
            return np.array(self.target.categories)[outputs.argmax(1)]
        return np.asarray(outputs, np.float64)[:, 0] * self.target.scale + self.target.mean


def as_frame(rows: Any) -> Any:
    """A DataFrame of the rows, whose column names are texts."""
    rows = pandas().DataFrame(rows)
    rows = rows.set_axis([str(name) for name in rows.columns], axis=1)
    if not rows.columns.is_unique:
        raise ValueError(f"several columns are called {rows.columns[rows.columns.duplicated()][0]!r}")
    return rows


def _column(values: Any, categorical: bool, most: int | None = _MOST_CATEGORIES) -> Column:
    """The Column for these training values."""
    name = str(values.name)
    if categorical:
        different = categories(values)
        if most is not None and len(different) > most:
            raise ValueError(
                f"column {name!r} holds {len(different):,} different texts, such as {str(different[0])!r}. Each would "
                f"become a feature, and at most {most} are allowed: drop the column, or turn it into numbers"
            )
        return Column(name, categories=tuple(map(_text, sorted(different, key=_order))))
    numbers = _numbers(values)
    present = numbers[~np.isnan(numbers)]
    mean, scale = (float(present.mean()), float(present.std())) if present.size else (0.0, 1.0)
    return Column(name, mean, scale if scale > 1e-12 * abs(mean) else 1.0)


def _order(value: Any) -> tuple[bool, Any]:
    """A sort key: numbers by their size, then texts."""
    return (False, value) if isinstance(value, int | float | np.number | np.bool) else (True, str(value))


def _text(value: Any) -> str:
    """A category's name, the same for 2.0 as for 2, since pandas turns integers beside a missing value into floats."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _codes(values: Any, column: Column) -> np.ndarray:
    """The index of each row's category, found by its text or else its value; -1 if it is missing or unknown."""
    place = {text: index for index, text in enumerate(column.categories)}
    which, different = pandas().factorize(values)  # -1 for missing values
    found = [place.get(str(value), place.get(_plain(value), -1)) for value in different]
    return np.array([*found, -1])[which]


def _plain(value: Any) -> str:
    """A common name for a category that may be written in several ways, such as 1, 1.0 and 01, or True and TRUE."""
    try:
        return _text(float(value))
    except (TypeError, ValueError):
        return str(value).capitalize() if str(value).lower() in ("true", "false") else str(value)


def _numbers(values: Any) -> np.ndarray:
    """A column as float64, NaN for missing values."""
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "biuf":
        array = values.to_numpy(np.float64)
        texts = np.zeros(len(array), bool)
    else:
        array = pandas().to_numeric(values, errors="coerce").to_numpy(np.float64, na_value=np.nan)
        texts = np.isnan(array) & values.notna().to_numpy()
    for wrong, what in ((texts, "not a number"), (np.isinf(array), "infinite")):
        if wrong.any():
            row = int(wrong.argmax())
            raise ValueError(f"column {values.name!r}: {str(values.iloc[row])!r}, in row {row + 1}, is {what}")
    return array


def _check_complete(values: Any) -> None:
    missing = values.isna().to_numpy()
    if missing.any():
        raise ValueError(
            f"the target {str(values.name)!r} is missing in {missing.sum()} rows, the first of which is row "
            f"{int(missing.argmax()) + 1}: remove these rows"
        )


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(map(repr, names[:_SHOWN])) + f" and {len(names) - _SHOWN} more" * (len(names) > _SHOWN)
