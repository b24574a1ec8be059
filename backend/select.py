"""Choose the array library once, at import.

``NN_BACKEND`` is ``numpy`` (the default), ``cupy``, or ``auto`` (CuPy where a device answers, else NumPy). Whatever
cannot be had is a :class:`BackendError` that says what to do; only ``auto`` ever falls back. ``NN_PLAIN=1`` runs the
equations as they stand, without the forms that are faster.
"""

import os
import platform
import sys
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import numpy as np

from .errors import BackendError, versions

Array: TypeAlias = np.ndarray  # under CuPy a cupy.ndarray, which has the same interface as far as xpnn uses it
Params: TypeAlias = MutableMapping[str, Array]  # a layer's parameters, or their gradients, by name
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
plain = os.environ.get("NN_PLAIN", "").strip() not in ("", "0")


def describe() -> str:
    """One line: which backend runs, its version, the device, and whether the equations run plain."""
    equations = ", plain equations (NN_PLAIN)" if plain else ""
    if not on_device:
        return f"numpy {np.__version__} on {platform.machine()} CPU, {os.cpu_count()} cores{equations}"
    device = _xp.cuda.Device()
    properties = _xp.cuda.runtime.getDeviceProperties(device.id)
    runtime = _xp.cuda.runtime.runtimeGetVersion()
    memory = device.mem_info[1] / 2**30
    return (
        f"cupy {xp.__version__} on {properties['name'].decode()} ({memory:.0f} GiB), "
        f"CUDA {runtime // 1000}.{runtime % 1000 // 10}{equations}"
    )
