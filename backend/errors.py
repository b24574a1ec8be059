"""Errors of the backend, and where CUDA's are told in words."""

from contextlib import ContextDecorator
from typing import Any


class BackendError(ImportError):
    """The backend that ``NN_BACKEND`` asks for cannot be had; the message says what to do."""


class DeviceLostError(RuntimeError):
    """Nothing on the device can be read or computed any more by this process."""


class Explained(ContextDecorator):
    """Turn CUDA's errors into ones for the user; anything else passes. For ``with``, and as a decorator.

    Raises:
        MemoryError: the device's memory ran out.
        DeviceLostError: as it says.
        RuntimeError: CUDA does not start in this process.
        BackendError: driver, device and CuPy do not fit together.
    """

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if error is not None and type(error).__module__.partition(".")[0] in ("cupy", "cupy_backends"):
            from .cuda.errors import explain  # here, since it is no form and NN_PLAIN=1 imports none

            explained = explain(error)
            if explained is not None:
                raise explained from None


explained = Explained()


def versions() -> str:
    """The driver's and CuPy's versions, as far as they tell."""
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
