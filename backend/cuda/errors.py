"""Explain CUDA's errors: what happened, and what to do about it."""

from ..errors import BackendError, DeviceLostError, versions

# CUDA's names without cudaError or CUDA_ERROR_, in lower case and without underscores
_MEMORY = ("memoryallocation", "outofmemory", "cublasstatusallocfailed")
_MISMATCH = (
    "insufficientdriver", "systemdrivermismatch", "stublibrary", "nokernelimagefordevice", "nobinaryforgpu",
    "unsupportedptxversion", "invalidptx", "invalidkernelimage", "invalidimage", "jitcompilernotfound",
    "compatnotsupportedondevice",
)  # fmt: skip
_LOST = (
    "illegaladdress", "illegalinstruction", "misalignedaddress", "invalidaddressspace", "invalidpc", "assert",
    "launchfailure", "launchfailed", "launchtimeout", "hardwarestackerror", "eccuncorrectable", "nvlinkuncorrectable",
    "devicesunavailable", "deviceunavailable", "contextisdestroyed", "contained", "mpsclientterminated",
    "externaldevice", "cublasstatusexecutionfailed",
)  # fmt: skip


def explain(error: BaseException) -> Exception | None:
    """The error that replaces CuPy's own for the user; None if it is not an error of the device."""
    told = str(error).partition("\n")[0]
    code = _code(told)
    if type(error).__name__ == "OutOfMemoryError" or code in _MEMORY:
        return out_of_memory(told)
    if type(error).__name__ == "CompileException" or code in _MISMATCH:
        return BackendError(
            f"driver, device and CuPy do not fit together ({told}); {versions()}: install a newer driver, or the CuPy "
            "for this driver (cupy-cuda12x, cupy-cuda13x)"
        )
    if code in _LOST:
        return DeviceLostError(
            f"the device was lost ({told}): nothing on it can be read any more. Start a new process and load the last "
            "saved model; if it happens again, look at nvidia-smi and for Xid lines in the system's log"
        )
    if code == "initializationerror":
        return RuntimeError(
            f"CUDA does not start in this process ({told}): a forked process cannot use it. Start processes with "
            'multiprocessing.get_context("spawn")'
        )
    return None


def out_of_memory(told: str) -> MemoryError:
    """The error for a device that is out of memory."""
    return MemoryError(
        f"device memory ran out{_usage()}: use a smaller batch_size or float32, or end other programs that nvidia-smi "
        f"lists ({told})"
    )


def _code(told: str) -> str:
    """``cudaErrorIllegalAddress: an illegal ...`` and ``CUDA_ERROR_ILLEGAL_ADDRESS: ...`` to ``illegaladdress``."""
    return told.partition(":")[0].replace("_", "").lower().removeprefix("cudaerror")


def _usage() -> str:
    """The device's memory use as text, or "" if the device does not respond."""
    import cupy

    try:
        free, total = cupy.cuda.runtime.memGetInfo()
    except Exception:
        return ""
    return f" with {(total - free) / 2**30:.1f} GiB of {total / 2**30:.1f} GiB in use"
