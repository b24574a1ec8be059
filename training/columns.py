"""The user's x, y and weights as columns: arrays, or rows that are read when they are needed."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np

from ..backend import Array
from ..backend.shared.data import as_array
from ..data.sequences import pad
from ..layers import Layer
from ..layers.base import of_several, several
from ..models import Graph
from .batch import Steps
from .inputs import HINTS, named

_LABELS = ("y", "label", "labels", "target", "targets")
_WEIGHTS = ("weight", "weights", "sample_weight")


class Lazy:
    """Rows of an object with ``len`` and indices, such as a memory map, an HDF5 or zarr array, or a sparse matrix.

    >>> len(Lazy(np.arange(5), np.asarray)[np.array([3, 1])])
    2
    """

    def __init__(self, data: Any, convert: Callable[[Any], np.ndarray]) -> None:
        self._data, self._convert = data, convert

    def __len__(self) -> int:
        return self._data.shape[0] if hasattr(self._data, "shape") else len(self._data)

    def __getitem__(self, rows: Any) -> np.ndarray:
        if isinstance(rows, slice):
            return self._convert(self._data[rows])
        order = rows.argsort(kind="stable")  # HDF5 requires ascending indices, and a disk reads them faster
        read = self._convert(self._data[rows[order]])
        result = np.empty_like(read)
        result[order] = read
        return result


class Sequences:
    """Arrays (steps, ...) of different lengths, padded batch by batch."""

    def __init__(self, sequences: Sequence[Any]) -> None:
        self._sequences = [np.asarray(sequence) for sequence in sequences]
        self.lengths = np.array([len(sequence) for sequence in self._sequences])
        if not self.lengths.all():
            raise ValueError(f"sequence {self.lengths.argmin()} has no steps")

    def __len__(self) -> int:
        return len(self._sequences)

    def __getitem__(self, rows: Any) -> np.ndarray:
        chosen = self._sequences[rows] if isinstance(rows, slice) else [self._sequences[row] for row in rows]
        return pad(chosen)[0]


def lengths_of(inputs: Sequence[Any]) -> Steps:
    """The lengths of the inputs whose sequences differ in length; for several inputs a tuple."""
    lengths = [one.lengths if isinstance(one, Sequences) else None for one in inputs]
    return None if all(one is None for one in lengths) else of_several(lengths)


def check_steps(caller: str, columns: Sequence[Any], inputs: int, lengths: Steps) -> None:
    """Raise ValueError unless targets and weights for each step are as long as the sequences of an input."""
    of_inputs = [own for own in several(lengths) if own is not None]
    for name, one in list(named(columns, inputs))[inputs:]:
        if not isinstance(one, Sequences) or any(np.array_equal(own, one.lengths) for own in of_inputs):
            continue
        if not of_inputs:
            raise ValueError(f"{caller}: the sequences of {name} differ in length, those of x do not")
        n = np.flatnonzero(of_inputs[0] != one.lengths)[0]
        raise ValueError(f"{caller}: sequence {n} has {of_inputs[0][n]} steps in x, {one.lengths[n]} in {name}")


def columns(caller: str, given: Sequence[Any], inputs: int) -> list[Any]:
    """:func:`column` of each of x (which may be several ``inputs``), y and weights; errors name the array."""
    made = []
    for name, data in named(given, inputs):
        try:
            made.append(column(data))
        except (TypeError, ValueError) as error:
            raise (TypeError if isinstance(error, TypeError) else ValueError)(f"{caller}: {name}: {error}") from error
    return made


def column(data: Any) -> "Array | Lazy | Sequences":
    """The data as an array, on the host or the device as given, or as rows that are read when they are needed."""
    if isinstance(data, np.memmap):
        return Lazy(data, np.asarray)
    if hasattr(data, "batch_sizes"):
        raise TypeError(
            "expected an array, got a PackedSequence: x, lengths = torch.nn.utils.rnn.pad_packed_sequence(packed, "
            "batch_first=True) gives the array, and the lengths for lengths="
        )
    if hasattr(data, "tocsr"):  # SciPy's sparse matrices
        return Lazy(data.tocsr(), lambda rows: rows.toarray())
    if getattr(getattr(data, "dtype", None), "kind", "") == "O" and data.ndim == 1:  # perhaps its elements are arrays
        data = list(data)
    if isinstance(data, list | tuple) and _ragged(data):
        return Sequences(data)
    on_disk = hasattr(data, "chunks") or not hasattr(data, "__array__")  # HDF5's and zarr's arrays have chunks
    lazy = on_disk and hasattr(data, "__getitem__") and not hasattr(data, "__dlpack__")
    return Lazy(data, np.asarray) if lazy and not isinstance(data, Sequence | Mapping) else numbers(data)


def numbers(data: Any) -> Array:
    """The data as an array; Python objects, as in a table of several dtypes, are converted to their common dtype.

    Raises:
        TypeError: the data are not an array, or one of their objects is not a number.
    """
    array = as_array(data)
    if array.dtype.kind != "O":
        return array
    if array.ndim == 0:
        raise TypeError(f"expected an array or a list, got {type(data).__name__}")
    typed = np.array(array.tolist())
    if typed.dtype.kind in "biuf":
        return typed
    for index, value in np.ndenumerate(array):
        if value is not None and not isinstance(value, Real | Decimal | np.bool):
            place = ", ".join(f"{name} {at}" for name, at in zip(("row", "column"), index, strict=False))
            raise TypeError(f"expected numbers, got {value!r} in {place}{HINTS['U'] if isinstance(value, str) else ''}")
    return array.astype("float64")  # None becomes NaN


def _ragged(data: Sequence[Any]) -> bool:
    """Whether the entries are arrays or lists of different lengths."""
    lengths = {_length(entry) for entry in data}
    return len(lengths) > 1 and -1 not in lengths


def _length(entry: Any) -> int:
    """The number of steps; -1 for an entry without steps, such as a number or a text."""
    try:
        return -1 if isinstance(entry, str) else len(entry)
    except TypeError:
        return -1


def like_an_array(data: Any) -> bool:
    """Whether ``data`` are arrays rather than batches of them."""
    if isinstance(data, list | tuple | str | bytes | float | int):
        return True
    return any(hasattr(data, name) for name in ("__array__", "__dlpack__", "shape"))


def of_batch(caller: str, batch: Any, targets: bool) -> list[Any]:
    """x, y and, if there are any, weights; without ``targets`` x alone.

    Raises:
        TypeError, ValueError: ``batch`` is not a batch.
    """
    if isinstance(batch, Mapping):
        return _of_mapping(caller, batch, targets)
    if not targets:
        return [batch[0] if isinstance(batch, tuple | list) else batch]
    if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
        got = f"{len(batch)} of them" if isinstance(batch, tuple | list) else type(batch).__name__
        raise TypeError(f"{caller}: expected a batch (x, y) or (x, y, weights), got {got}")
    return [data for data in batch if data is not None]


def _of_mapping(caller: str, batch: Mapping[str, Any], targets: bool) -> list[Any]:
    """The columns of a batch by their names."""
    labels, weights = ([name for name in names if name in batch] for names in (_LABELS, _WEIGHTS))
    inputs = [name for name in batch if name not in (*_LABELS, *_WEIGHTS)]
    if "x" in batch:
        inputs = ["x"]
    if len(inputs) != 1 or len(labels) > 1 or len(labels) < targets:
        raise ValueError(
            f"{caller}: expected a column of inputs and one called {', '.join(_LABELS[:-1])} or {_LABELS[-1]}, got "
            f"{', '.join(map(str, batch))}"
        )
    return [batch[name] for name in (inputs + labels + weights if targets else inputs)]


def inputs_of(model: Layer) -> tuple[str, ...]:
    """The names of the model's inputs; a single empty name if it does not name them."""
    return model.inputs if isinstance(model, Graph) else ("x",)


def inputs_given(caller: str, x: Any, expected: tuple[str, ...]) -> list[Any]:
    """The arrays for a model's inputs."""
    if len(expected) == 1:
        return [x]
    if isinstance(x, Mapping) and set(x) == set(expected):
        return [x[name] for name in expected]
    if not isinstance(x, tuple | list) or len(x) != len(expected):
        raise ValueError(f"{caller}: expected x to be a tuple, or a dict, of the inputs {', '.join(expected)}")
    return list(x)
