"""The kind of values in a table's column, by pandas' names."""

from typing import Any

from .extras import needed

NUMBERS = {"boolean", "decimal", "floating", "integer", "mixed-integer-float"}
_CATEGORIES = NUMBERS | {"categorical", "empty", "mixed", "mixed-integer", "string"}  # of pandas.api.types.infer_dtype


def pandas() -> Any:
    return needed("pandas", "tables need pandas", "tables")


def kind(values: Any) -> str:
    """pandas' name for the kind of the values that are not missing."""
    return str(pandas().api.types.infer_dtype(values, skipna=True))


def categories(values: Any) -> Any:
    """The different values of a column of categories; ValueError if they cannot be categories."""
    try:
        if kind(values) in _CATEGORIES:
            return values.dropna().unique()
    except TypeError:  # lists
        pass
    raise ValueError(
        f"column {values.name!r} holds {kind(values)} values, such as {str(values.dropna().iloc[0])!r}: turn them "
        "into numbers or texts, or drop the column"
    )
