"""Data between host and device, and checks whose result stays on the device."""

from typing import Any, TypeAlias

import numpy as np

from .errors import explained
from .select import Array, on_device, xp

_xp: Any = xp  # untyped, for names that only CuPy has

Indices: TypeAlias = "slice | np.ndarray"
"""The samples of a batch, as a slice or as indices."""


class _Border:
    """The state of the border between host and device.

    Attributes:
        crossings: the number of copies so far; a step that copies cannot be captured.
        faults: message -> 0-d view into ``flags``, True on the device once the check with this message has failed. The
            flags' addresses never change, since replays of a captured step write to them.
        checked: whether there was a check since the last report.
    """

    def __init__(self) -> None:
        self.crossings = 0
        self.faults: dict[str, Any] = {}
        self.flags: list[Any] = []
        self.checked = False

    def fault(self, message: str) -> Any:
        """The flag of a message."""
        if message not in self.faults:
            place = len(self.faults) % 64
            if place == 0:
                self.flags.append(xp.zeros(64, dtype="bool"))
            self.faults[message] = self.flags[-1][place]
        return self.faults[message]


border = _Border()


@explained
def asarray(data: Any, dtype: Any = None) -> Array:
    """An array of the backend, from host data (NumPy array, list, number) or from another array of the backend.

    Args:
        data: anything that ``numpy.asarray`` takes, or an array of the backend.
        dtype: the dtype of the result; by default floating-point data become float32, and integers keep their dtype.
            The byte order is always the machine's.

    Raises:
        TypeError: the data are not numeric, or some are masked.
        ValueError: the dtype is an integer type that cannot hold one of the values.
        MemoryError: the device is out of memory.

    >>> asarray([[0.5, 1.0]])
    array([[0.5, 1. ]], dtype=float32)
    """
    from_host = not isinstance(data, xp.ndarray)
    array = host_array(data) if from_host or isinstance(data, np.ma.MaskedArray) else data
    dtype = dtype_of(array, dtype)
    border.crossings += from_host
    if isinstance(array, np.ndarray) and dtype.kind in "iu" and not np.can_cast(array.dtype, dtype):
        with np.errstate(invalid="ignore"):
            whole = array.astype(dtype)
        if (changed := whole != array).any():
            raise ValueError(f"asarray: expected values that {dtype} holds, got {array[changed].flat[0]}")
        array = whole
    return xp.asarray(array, dtype=dtype)


def host_array(data: Any) -> np.ndarray:
    """Data, which may be a PyTorch tensor, as a NumPy array.

    Raises:
        TypeError: some elements are masked, and NumPy would use the values under the mask; or a tensor is not on the
            host.
    """
    if isinstance(data, np.ma.MaskedArray) and np.ma.is_masked(data):
        raise TypeError("expected an array without masked elements: data.filled(0) fills them; or leave their rows out")
    if not hasattr(data, "detach"):
        return np.asarray(data)
    try:
        return np.asarray(data.detach())
    except TypeError:  # NumPy lacks bfloat16 and 8-bit floats
        return np.asarray(data.detach().float())


def dtype_of(array: Any, dtype: Any = None) -> Any:
    """The dtype that :func:`asarray` gives an array; TypeError if it is not numeric."""
    if array.dtype.kind not in "biuf":
        raise TypeError(f"asarray: expected numbers, got an array of dtype {array.dtype}")
    dtype = dtype or (np.float32 if array.dtype.kind == "f" else array.dtype)
    return np.dtype(dtype).newbyteorder("=")


@explained
def to_numpy(array: Array) -> np.ndarray:
    """A host copy of a backend array, after waiting for the device; on NumPy the array itself.

    Raises:
        ValueError: a check on the device, such as that of labels, has failed since the last synchronisation.
        RuntimeError: the device was lost.

    >>> to_numpy(asarray([1, 2]))
    array([1, 2])
    """
    if not on_device:
        return np.asarray(array)
    border.crossings += 1
    if not border.checked:
        return _xp.asnumpy(array)
    # one copy for the array and the flags, since each copy waits for the device
    joined = _xp.asnumpy(
        xp.concatenate([array.ravel().view("uint8"), *(flags.view("uint8") for flags in border.flags)])
    )
    _report_faults(joined[array.nbytes :])
    return joined[: array.nbytes].view(array.dtype).reshape(array.shape)


@explained
def synchronize() -> None:
    """Wait until the device has finished all its work; on NumPy this does nothing.

    Raises:
        ValueError: a check on the device, such as that of labels, has failed since the last synchronisation.
        RuntimeError: the device was lost.

    >>> synchronize()  # before reading a clock
    """
    if on_device:
        border.crossings += 1
        if border.checked:
            _report_faults(_xp.asnumpy(xp.concatenate(border.flags)))  # the copy waits, too
        else:
            _xp.cuda.get_current_stream().synchronize()


def check(ok: Array | np.bool, message: str) -> None:
    """Raise ValueError(message) unless the 0-d boolean ``ok`` holds.

    On a device the check is asynchronous, like CUDA's own errors: a failure is recorded on the device and raised by the
    next :func:`to_numpy` or :func:`synchronize`.
    """
    if on_device:
        fault = flag(message)
        fault |= ~ok
    elif not ok:
        raise ValueError(message)


def flag(message: str) -> Array:
    """The 0-d boolean that a kernel sets if its own check fails; only on a device."""
    border.checked = True
    return border.fault(message)


def _report_faults(failed: np.ndarray) -> None:
    """Reset the flags and raise for the first check that failed."""
    border.checked = False
    if failed.any():
        for flags in border.flags:
            flags.fill(False)
        raise ValueError(list(border.faults)[int(failed.argmax())])
