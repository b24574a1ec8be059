"""What the loop is given: the checks that come before the first step."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from ..backend import Array, prefetch, synchronize, xp
from ..backend.shared.data import as_array, not_finite
from ..layers import HalfSquaredError, Layer, Loss, SoftmaxCrossEntropy


def check_model(caller: str, model: Any) -> None:
    """Raise TypeError unless it is a network."""
    if not isinstance(model, Layer):
        raise TypeError(f"{caller}: expected a network, got {model!r}")


def check_pair(caller: str, pair: Any, dtype: Any) -> tuple[Array, ...]:
    """:func:`check_data` of a pair (x, y)."""
    if not (isinstance(pair, tuple | list) and len(pair) == 2):
        raise ValueError(f"{caller}: expected a pair (x, y), got {type(pair).__name__}")
    return check_data(caller, *pair, dtype=dtype)


def check_data(caller: str, *data: Any, dtype: Any = None) -> tuple[Array, ...]:
    """x, or x and y, as arrays on the host or, where they are there already, on the device; labels are integers.

    Args:
        caller: for errors.
        data: x, or x and y.
        dtype: to which floating-point data will be converted; float32 by default.

    Raises:
        TypeError: they are not numeric.
        ValueError: they are empty, differ in length, or are not finite once they have been converted.
    """
    arrays = [_numbers(part) for part in data]
    for what, array in zip("xy", arrays, strict=False):
        if array.dtype.kind not in "biuf":
            raise TypeError(f"{caller}: expected {what} to hold numbers, got dtype {array.dtype}")
        if array.ndim == 0 or array.size == 0:
            raise ValueError(f"{caller}: {what} is empty, of shape {array.shape}")
        fault = not_finite(array, dtype or "float32") if array.dtype.kind == "f" else None
        if fault:
            row, too_large = fault
            held = f"a value beyond {dtype or 'float32'}" if too_large else "NaN or infinity"
            raise ValueError(f"{caller}: {what} holds {held} in row {row}")
        if len(array) != len(arrays[0]):
            raise ValueError(f"{caller}: x has {len(arrays[0])} samples, y has {len(array)}")
    return tuple(y.view("uint8") if i and y.dtype.kind == "b" else y for i, y in enumerate(arrays))


def _numbers(data: Any) -> Array:
    """The data as an array; of Python objects, as a table of several dtypes holds them, by their common dtype."""
    array = as_array(data)
    return np.array(array.tolist()) if array.dtype.kind == "O" else array


def loss_for(caller: str, loss: Loss | None, y: Array) -> Loss:
    """The loss, or the default one for these targets."""
    if loss is None:
        labels = y.dtype.kind in "iu" or (_one_hot(y[:1]) and _one_hot(y))
        return SoftmaxCrossEntropy() if labels else HalfSquaredError()
    if not isinstance(loss, Loss):
        raise TypeError(f"{caller}: expected a loss, such as SoftmaxCrossEntropy(), got {loss!r}")
    return loss


def _one_hot(y: Array) -> bool:
    """Whether along the last of several axes one element is 1 and the others are 0."""
    if y.ndim < 2 or y.shape[-1] < 2:
        return False
    count_nonzero = np.count_nonzero if isinstance(y, np.ndarray) else xp.count_nonzero
    # with a 1 in each row, as many elements that are not 0 as rows are one in each
    return bool((y.max(-1) == 1).all()) and int(count_nonzero(y)) == y.size // y.shape[-1]


def rehearse(
    caller: str, model: Layer, loss: Loss, data: Sequence[Array], batch_size: int, within: AbstractContextManager[None]
) -> None:
    """Infer a batch with the lowest and the highest label, so that what does not fit is met before the first step.

    Args:
        caller: for errors.
        model, loss: which do not change.
        data: x and y.
        batch_size: of the batches that there will be; if the last of them has one sample, that is inferred, too.
        within: of inference or, for data to be trained on, a rehearsal.

    Raises:
        ValueError, TypeError: as the model and the loss raise them for such data.
    """
    x, y = data
    rows = np.arange(min(max(2, batch_size), len(x)))
    last = [rows[:1]] if 1 in (batch_size, len(x) % batch_size) else []
    if y.dtype.kind in "iu":
        rows[[0, -1]] = [int(end) // (y.size // len(y)) for end in (y.argmin(), y.argmax())]
    try:
        with within:
            for inputs, targets in prefetch(data, [rows, *last], model.dtype):
                outputs, _ = model.forward(inputs, needs_dx=False)
                loss(outputs, targets)
        synchronize()  # on a device a label out of range is met here
    except (ValueError, TypeError) as error:
        if type(error) not in (ValueError, TypeError):
            raise
        raise type(error)(f"{caller}: {error}") from error
