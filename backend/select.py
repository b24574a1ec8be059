"""Choose the array library once, at import.

``NN_BACKEND`` is ``numpy`` (the default), ``cupy``, or ``auto`` (CuPy if a device responds, else NumPy). If the choice
is not available, :class:`BackendError` says what to do; only ``auto`` falls back. MPI's processes on a host take its
devices in turn: the first takes device 0, the next one device 1, and so on. ``NN_PLAIN=1`` runs the equations
themselves, without the faster forms.
"""

import os
import platform
import sys
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import numpy as np

from .errors import BackendError, versions

Array: TypeAlias = np.ndarray  # under CuPy a cupy.ndarray, whose interface is the same where xpnn uses it
Params: TypeAlias = MutableMapping[str, Array]  # a layer's parameters, or their gradients, by name
Rng: TypeAlias = "int | np.random.Generator | None"  # a string, since numpy.random is slow to import

_CHOICES = ("numpy", "cupy", "auto")
_LOCAL_RANKS = (  # a process's number on its host, as set by Open MPI, MPICH and Intel's, MVAPICH2, Cray's and Slurm
    "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "MV2_COMM_WORLD_LOCAL_RANK", "PALS_LOCAL_RANKID", "SLURM_LOCALID",
)  # fmt: skip
_INSTALL = 'pip install ".[cuda13]" in xpnn\'s checkout (".[cuda12]" where the driver is for CUDA 12)'


def _refuse(message: str) -> NoReturn:
    """Raise a BackendError; on the command line, print the message and exit with status 2.

    The command cannot catch the error itself, since its code runs only after this import.
    """
    program = sys.argv[0] if sys.argv else ""
    if (program == "-m" and "xpnn" in sys.orig_argv) or os.path.basename(program) in ("xpnn", "xpnn.exe"):
        print(f"xpnn: error: {message}", file=sys.stderr)
        raise SystemExit(2)
    raise BackendError(message)


def _find_cupy() -> Any:
    """The CuPy module if a device responds; else BackendError."""
    try:
        import cupy
    except ImportError as error:
        raise BackendError(
            f"NN_BACKEND=cupy, but CuPy cannot be imported ({error}): {_INSTALL}, or NN_BACKEND=numpy"
        ) from error
    try:
        devices = cupy.cuda.runtime.getDeviceCount()
        if local := next(filter(None, map(os.environ.get, _LOCAL_RANKS)), None):
            cupy.cuda.Device(int(local) % devices).use()
        cupy.zeros(1)
    except Exception as error:  # each CUDA library has its own error class in CuPy
        raise BackendError(
            f"NN_BACKEND=cupy, but no CUDA device answers ({error}): check that nvidia-smi lists one and that its "
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


def _is_plain(value: str) -> bool:
    if value not in ("", "0", "1", "false", "true"):
        _refuse(f"NN_PLAIN={value!r} is neither 1 nor 0")
    return value in ("1", "true")


if TYPE_CHECKING:
    xp = np
else:
    xp = _choose(os.environ.get("NN_BACKEND", "").strip().lower() or "numpy")

_xp: Any = xp  # untyped, for names that only CuPy has
name: str = xp.__name__
on_device = xp is not np
plain = _is_plain(os.environ.get("NN_PLAIN", "").strip().lower())


def describe() -> str:
    """One line: the backend and its version, the device, and whether the plain equations run.

    >>> describe()
    'numpy ...'
    """
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
