"""Data across the border between host and device, and checks whose answer the device keeps."""

from typing import Any, TypeAlias

import numpy as np

from .errors import explained
from .select import Array, on_device, xp

_xp: Any = xp  # for what only CuPy has

Indices: TypeAlias = "slice | np.ndarray"
"""Which samples of a data set a batch takes."""


class _Border:
    """What is known of the border.

    Attributes:
        crossings: how often data crossed it; a step that does so cannot be captured.
        faults: message -> 0-d view into ``flags``, True on the device once the check of that message has failed. The
            flags keep their addresses, since a captured step goes on writing there.
        checked: whether a check was made since the last report.
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
    """An array of the backend from host data (NumPy array, list, number) or from another array of the backend.

    Args:
        data: what ``numpy.asarray`` takes, or an array of the backend.
        dtype: of the result; by default floating-point data become float32 and integers stay as they are.

    Raises:
        TypeError: the data are no numbers.
        MemoryError: the device has no room for it.
    """
    from_host = not isinstance(data, xp.ndarray)
    array = np.asarray(data) if from_host else data
    dtype = dtype_of(array, dtype)
    border.crossings += from_host
    return xp.asarray(array, dtype=dtype)


def dtype_of(array: Any, dtype: Any = None) -> Any:
    """The dtype that :func:`asarray` gives an array; TypeError where it holds no numbers."""
    if array.dtype.kind not in "biuf":
        raise TypeError(f"asarray: expected numbers, got an array of dtype {array.dtype}")
    if dtype is None:
        return np.float32 if array.dtype.kind == "f" else array.dtype
    return dtype


@explained
def to_numpy(array: Array) -> np.ndarray:
    """The host copy of a backend array (on NumPy, the array itself). Waits for the device.

    Raises:
        ValueError: a :func:`check` on the device has failed since the last synchronisation.
        RuntimeError: the device was lost.
    """
    if not on_device:
        return np.asarray(array)
    border.crossings += 1
    if not border.checked:
        return _xp.asnumpy(array)
    # the answers of the checks ride along in one copy, since each copy waits for the device
    joined = _xp.asnumpy(
        xp.concatenate([array.ravel().view("uint8"), *(flags.view("uint8") for flags in border.flags)])
    )
    _report_faults(joined[array.nbytes :])
    return joined[: array.nbytes].view(array.dtype).reshape(array.shape)


@explained
def synchronize() -> None:
    """Wait until the device has done all that it was given; on NumPy there is nothing to wait for.

    Raises:
        ValueError: a :func:`check` on the device has failed since the last synchronisation.
        RuntimeError: the device was lost.
    """
    if on_device:
        border.crossings += 1
        _xp.cuda.get_current_stream().synchronize()
        if border.checked:
            _report_faults(_xp.asnumpy(xp.concatenate(border.flags)))


def check(ok: Array, message: str) -> None:
    """Raise ValueError(message) unless the 0-d boolean ``ok`` holds.

    On a device the answer is not awaited: the failure is kept there and raised at the next :func:`to_numpy` or
    :func:`synchronize`, as CUDA reports its own asynchronous errors.
    """
    if on_device:
        fault = flag(message)
        fault |= ~ok
    elif not ok:
        raise ValueError(message)


def flag(message: str) -> Array:
    """The 0-d boolean that a kernel sets where a :func:`check` of its own fails; on a device only."""
    border.checked = True
    return border.fault(message)


def _report_faults(failed: np.ndarray) -> None:
    """Forget what the checks found and raise the first that failed."""
    border.checked = False
    if failed.any():
        for flags in border.flags:
            flags.fill(False)
        raise ValueError(list(border.faults)[int(failed.argmax())])
