"""Errors of the backend, and the translation of CUDA's errors."""

from contextlib import ContextDecorator
from typing import Any


class BackendError(ImportError):
    """The backend that ``NN_BACKEND`` names is not available; the message says what to do."""


class DeviceLostError(RuntimeError):
    """The device is unusable for the rest of this process: nothing on it can be read or computed."""


class Explained(ContextDecorator):
    """A context manager and decorator that turns CUDA's errors into errors for the user, and lets others pass.

    Raises:
        MemoryError: the device is out of memory.
        DeviceLostError: the device is unusable for the rest of this process.
        RuntimeError: CUDA cannot be initialised in this process.
        BackendError: driver, device and CuPy do not fit together.
    """

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if error is not None and type(error).__module__.partition(".")[0] in ("cupy", "cupy_backends"):
            from .cuda.errors import explain  # imported here: NN_PLAIN=1 must not import backend/cuda

            explained = explain(error)
            if explained is not None:
                raise explained from None


explained = Explained()


def versions() -> str:
    """The versions of the driver and of CuPy, as far as they can be determined."""
    import cupy

    def dotted(ask: Any) -> str:
        try:
            number = ask()
        except Exception:  # a runtime without a driver may refuse even this
            return "unknown"
        return f"{number // 1000}.{number % 1000 // 10}" if number else "none found"

    runtime = cupy.cuda.runtime
    return (
        f"the driver is for CUDA {dotted(lambda: runtime.driverGetVersion())}, CuPy {cupy.__version__} for CUDA "
        f"{dotted(lambda: runtime.runtimeGetVersion())}"
    )
