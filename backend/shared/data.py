"""Data where they are, on the host or the device, and whether they are finite."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..border import Indices, asarray, dtype_of, host_array, to_numpy
from ..select import Array, on_device, xp

_xp: Any = xp  # for what only CuPy has


def batch_dtypes(arrays: Sequence[Array], dtype: Any) -> list[Any]:
    """The dtypes of batches: the given one (float32) for floating-point and boolean data; integers keep theirs."""
    return [dtype_of(array, dtype or "float32" if array.dtype.kind in "fb" else None) for array in arrays]


def as_array(data: Any) -> Array:
    """The data as an array where they are: on the device, also those of other libraries; anything else on the host."""
    if on_device and (isinstance(data, xp.ndarray) or hasattr(data, "__cuda_array_interface__")):
        return xp.asarray(data)
    return host_array(data)


def on_host(data: Any) -> np.ndarray:
    """Data of either side, or a list, as a NumPy array."""
    return to_numpy(data) if on_device and isinstance(data, xp.ndarray) else np.asarray(data)


def here() -> Callable[[], None]:
    """A function by which another thread goes on with this one's device and stream; it begins with the first device."""
    if not on_device:
        return lambda: None
    device, stream = _xp.cuda.Device(), _xp.cuda.get_current_stream()

    def take() -> None:
        device.use()
        stream.use()

    return take


def taken(array: Array, batch: Indices) -> Array:
    """The samples of a batch, where the array is."""
    on_host = isinstance(array, np.ndarray) or isinstance(batch, slice)
    return array[batch if on_host else asarray(batch)]


_BLOCK = 1 << 18  # elements that are looked at together, in a CPU's cache


def not_finite(array: Array, dtype: Any) -> tuple[int, bool] | None:
    """The first row that is not finite once it has been converted, in blocks of rows, so that no copy is made.

    Args:
        array: on the host or on the device, of at least one axis; floating-point.
        dtype: to which it will be converted.

    Returns:
        None if all is finite; else the row, and whether the row itself is finite, so that the dtype is too narrow.
    """
    of: Any = np if isinstance(array, np.ndarray) else xp
    rows = max(1, _BLOCK * len(array) // max(1, array.size))
    with np.errstate(over="ignore"):
        for start in range(0, len(array), rows):
            finite = of.isfinite(array[start : start + rows].astype(dtype, copy=False))
            if not finite.all():
                row = start + int(finite.reshape(len(finite), -1).all(1).argmin())
                return row, bool(of.isfinite(array[row]).all())
    return None


def looking_waits() -> bool:
    """Whether to look at a value is to wait for a device."""
    return on_device


def accumulate(sums: Array, *values: Any) -> bool:
    """Add numbers or 0-d arrays to the first elements of ``sums``, and 1 to the next one if the first sum is finite.

    Returns:
        False if it is known not to be; on a device that is not known, since looking would wait, and the result is True.
    """
    if on_device:
        for place, value in enumerate((*values, xp.isfinite(sums[0] + values[0]))):
            sums[place : place + 1] += value
        return True
    for place, value in enumerate(values):
        sums[place] += value
    finite = math.isfinite(sums[0])
    sums[len(values)] += finite
    return finite
