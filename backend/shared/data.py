"""Data on the host or the device, left where they are, and the check that they are finite."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..border import Indices, asarray, dtype_of, host_array, to_numpy
from ..select import Array, on_device, xp

_xp: Any = xp  # untyped, for names that only CuPy has


def batch_dtypes(arrays: Sequence[Array], dtype: Any) -> list[Any]:
    """The dtypes of batches: the given one (float32) for floating-point and boolean data; integers keep theirs."""
    return [dtype_of(array, dtype or "float32" if array.dtype.kind in "fb" else None) for array in arrays]


def as_array(data: Any) -> Array:
    """The data as an array: on the device if they are there, also another library's; otherwise on the host."""
    if on_device and (isinstance(data, xp.ndarray) or hasattr(data, "__cuda_array_interface__")):
        return xp.asarray(data)
    return host_array(data)


def on_host(data: Any) -> np.ndarray:
    """Data on the host or the device, or a list, as a NumPy array."""
    return to_numpy(data) if on_device and isinstance(data, xp.ndarray) else np.asarray(data)


def here() -> Callable[[], None]:
    """A function that another thread calls to use this thread's device and stream; by default it has device 0."""
    if not on_device:
        return lambda: None
    device, stream = _xp.cuda.Device(), _xp.cuda.get_current_stream()

    def take() -> None:
        device.use()
        stream.use()

    return take


def taken(array: Array, batch: Indices) -> Array:
    """The samples of a batch, on the array's side (host or device)."""
    on_host = isinstance(array, np.ndarray) or isinstance(batch, slice)
    return array[batch if on_host else asarray(batch)]


_BLOCK = 1 << 18  # elements that are checked together and fit a CPU's cache


def not_finite(array: Array, dtype: Any) -> tuple[int, bool] | None:
    """The first row that is not finite once converted; rows are checked in blocks, so that the array is not copied.

    Args:
        array: a floating-point array on the host or the device, with at least one axis.
        dtype: the dtype to which it will be converted.

    Returns:
        None if all rows are finite; else the row's index, and whether the row is finite before the conversion, so that
        the dtype is too narrow.
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
    """Whether reading a value means waiting for a device."""
    return on_device


def accumulate(sums: Array, *values: Any) -> bool:
    """Add numbers or 0-d arrays to the first elements of ``sums``, and 1 to the next one if the first sum is finite.

    Returns:
        False if the first sum is not finite; on a device always True, since reading the sum would wait for the device.
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
