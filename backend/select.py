"""Choose the array library once, at import, and carry data across the border between host and device.

``NN_BACKEND`` is ``numpy`` (the default), ``cupy``, or ``auto`` (CuPy where a device answers, else NumPy). Whatever
cannot be had is a :class:`BackendError` that says what to do; only ``auto`` ever falls back.
"""

import os
import platform
import sys
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import numpy as np

from .errors import BackendError, explained, versions

Array: TypeAlias = np.ndarray  # under CuPy a cupy.ndarray, which has the same interface as far as xpnn uses it
Rng: TypeAlias = "int | np.random.Generator | None"  # in words, since numpy.random is slow to import

_CHOICES = ("numpy", "cupy", "auto")
_INSTALL = 'pip install ".[cuda13]" in xpnn\'s checkout (".[cuda12]" where the driver is for CUDA 12)'


def _refuse(message: str) -> NoReturn:
    """Raise a BackendError; for the command line, print its one line and leave with status 2.

    The command's own code runs only after this package is imported, so it cannot catch the error itself.
    """
    program = sys.argv[0] if sys.argv else ""
    if (program == "-m" and "xpnn" in sys.orig_argv) or os.path.basename(program) in ("xpnn", "xpnn.exe"):
        print(f"xpnn: error: {message}", file=sys.stderr)
        raise SystemExit(2)
    raise BackendError(message)


def _find_cupy() -> Any:
    """The CuPy module, once a device has answered; else a BackendError."""
    try:
        import cupy
    except ImportError as error:
        raise BackendError(
            f"NN_BACKEND=cupy, but CuPy cannot be imported ({error}): {_INSTALL}, or NN_BACKEND=numpy"
        ) from error
    try:
        cupy.cuda.runtime.getDeviceCount()
        cupy.zeros(1)
    except Exception as error:  # CuPy has a class for each CUDA library; whichever fails, the device is out of reach
        raise BackendError(
            f"NN_BACKEND=cupy, but no CUDA device answers ({error}): look whether nvidia-smi lists one and whether its "
            f"driver is as new as CuPy ({versions()}), or set NN_BACKEND=numpy"
        ) from error
    return cupy


def _choose(choice: str) -> Any:
    if choice not in _CHOICES:
        _refuse(f"NN_BACKEND={choice!r} is unknown: set it to one of {', '.join(_CHOICES)}")
    if choice == "numpy":
        return np
    try:
        return _find_cupy()
    except BackendError as error:
        if choice == "auto":
            return np
        _refuse(str(error))


if TYPE_CHECKING:
    xp = np
else:
    xp = _choose(os.environ.get("NN_BACKEND", "numpy").strip().lower())

_xp: Any = xp  # for what only CuPy has
name: str = xp.__name__
on_device = xp is not np


class _Border:
    """What is known of the border between host and device.

    Attributes:
        crossings: how often data crossed it; a step that does so cannot be captured.
        faults: message -> 0-d view into ``flags``, True on the device once the check of that name has failed. They stay
            where they are, since a captured step goes on writing there.
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
    # the answers of the checks ride along in one copy, since each waits for the device
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
    """The 0-d boolean that a kernel which makes a :func:`check` itself sets where it fails; for a device alone."""
    border.checked = True
    return border.fault(message)


def _report_faults(failed: np.ndarray) -> None:
    """Forget what the checks found and raise the first that failed."""
    border.checked = False
    if failed.any():
        for flags in border.flags:
            flags.fill(False)
        raise ValueError(list(border.faults)[int(failed.argmax())])


def describe() -> str:
    """One line: which backend runs, its version, and the device."""
    if not on_device:
        return f"numpy {np.__version__} on {platform.machine()} CPU, {os.cpu_count()} cores"
    device = _xp.cuda.Device()
    properties = _xp.cuda.runtime.getDeviceProperties(device.id)
    runtime = _xp.cuda.runtime.runtimeGetVersion()
    memory = device.mem_info[1] / 2**30
    return (
        f"cupy {xp.__version__} on {properties['name'].decode()} ({memory:.0f} GiB), "
        f"CUDA {runtime // 1000}.{runtime % 1000 // 10}"
    )
