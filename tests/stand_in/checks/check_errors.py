"""What goes wrong on a device is told in words, where users call."""

import gc
import os
import sys

import cupy
import numpy as np
import pytest

import xpnn as nn
from xpnn.__main__ import main
from xpnn.backend import BackendError, check

X, Y = np.ones((8, 4), "float32"), np.zeros(8, int)


def failing(told: str, status: int = 1):
    def fail(*args, **kwargs):
        raise cupy.cuda.runtime.CUDARuntimeError(status, told)

    return fail


LOST = "cudaErrorIllegalAddress: an illegal memory access was encountered"
TOLD = {
    LOST: (RuntimeError, "the device was lost .*cudaErrorIllegalAddress.* new process"),
    "cudaErrorLaunchFailure: unspecified launch failure": (RuntimeError, "the device was lost"),
    "CUDA_ERROR_LAUNCH_FAILED: unspecified launch failure": (RuntimeError, "the device was lost"),
    "cudaErrorECCUncorrectable: uncorrectable ECC error encountered": (RuntimeError, "the device was lost"),
    "cudaErrorDevicesUnavailable: CUDA-capable device(s) is/are busy": (RuntimeError, "the device was lost"),
    "CUBLAS_STATUS_EXECUTION_FAILED": (RuntimeError, "the device was lost"),
    "cudaErrorInitializationError: initialization error": (RuntimeError, "does not start .*forked.*spawn"),
    "CUBLAS_STATUS_ALLOC_FAILED": (MemoryError, "device memory ran out"),
    "cudaErrorMemoryAllocation: out of memory": (MemoryError, "ran out with 0.5 GiB of 1.0 GiB in use.*batch_size"),
    "cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime version": (
        BackendError,
        "driver is for CUDA 12.4, CuPy 14 .stand-in. for CUDA 13.0: install a newer driver",
    ),
    "cudaErrorNoKernelImageForDevice: no kernel image is available for execution on the device": (
        BackendError,
        "driver, device and CuPy do not fit together",
    ),
}
CALLS = {
    "fit": lambda model: nn.fit(model, X, Y, epochs=1, verbose=False),
    "evaluate": lambda model: nn.evaluate(model, X, Y),
    "predict": lambda model: nn.predict(model, X),
    "to_numpy": lambda model: nn.to_numpy(model.flat_params),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("told", TOLD)
def test_told_where_users_call(monkeypatch, call, told):
    error, message = TOLD[told]
    model = nn.MLP((4, 2), rng=0)
    monkeypatch.setattr(cupy, "asnumpy", failing(told))
    with pytest.raises(error, match=message) as caught:
        CALLS[call](model)
    assert caught.value.__suppress_context__  # no stack of internals behind it


def test_when_data_go_in(monkeypatch):
    monkeypatch.setattr(cupy, "asarray", failing(LOST))
    with pytest.raises(RuntimeError, match="the device was lost"):
        nn.asarray(X)


@pytest.mark.parametrize(("checked", "owner", "name"), [(0, cupy.cuda.Stream, "synchronize"), (1, cupy, "asnumpy")])
def test_when_the_host_waits(monkeypatch, checked, owner, name):
    nn.synchronize()
    if checked:
        check(cupy.asarray(True), "fine")
    monkeypatch.setattr(owner, name, failing(LOST))
    with pytest.raises(RuntimeError, match="the device was lost"):
        nn.synchronize()


def test_a_lost_device_is_told_once(monkeypatch):
    """Batches that are under way are waited for in vain, by which the interpreter would show one more stack."""
    shown: list[object] = []
    model = nn.MLP((4, 2), rng=0)
    monkeypatch.setattr(model, "forward", failing(LOST))
    monkeypatch.setattr(cupy.cuda.Event, "synchronize", failing(LOST))
    monkeypatch.setattr(sys, "unraisablehook", shown.append)
    with pytest.raises(RuntimeError, match="the device was lost"):
        nn.fit(model, X, Y, batch_size=2, verbose=False)
    gc.collect()
    assert shown == []


def test_the_command_line_says_one_line_and_is_gone(monkeypatch, capfd, tmp_path):
    """What CuPy's objects would say on their way out."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cupy, "asnumpy", failing(LOST))
    monkeypatch.setattr(os, "_exit", sys.exit)
    with pytest.raises(SystemExit) as left:
        main(["train", "mlp", "--epochs", "1"])
    assert left.value.code == 1
    assert capfd.readouterr().err.startswith("xpnn: error: the device was lost")


@pytest.mark.parametrize("call", ["fit", "evaluate", "predict"])
def test_memory_that_runs_out_in_a_step(call):
    model, pool = nn.MLP((4, 2), rng=0), cupy.get_default_memory_pool()
    gc.collect()  # what earlier tests left behind would make room later
    pool.set_limit(pool.used_bytes() + 512)
    try:
        with pytest.raises(MemoryError, match="device memory ran out.*smaller batch_size.*Out of memory allocating"):
            CALLS[call](model)
    finally:
        pool.set_limit(0)
    CALLS[call](model)


def test_what_is_no_error_of_the_device_passes():
    with pytest.raises(ValueError, match="x has 8 samples, y has 7"):
        nn.fit(nn.MLP((4, 2), rng=0), X, Y[1:], verbose=False)
    with pytest.raises(ZeroDivisionError), nn.backend.explained:
        1 / 0  # noqa: B018


def test_an_unknown_error_of_cuda_passes_as_it_is(monkeypatch):
    monkeypatch.setattr(cupy, "asnumpy", failing("cudaErrorUnknown: unknown error"))
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="cudaErrorUnknown"):
        nn.to_numpy(nn.xp.zeros(3))


def test_no_device_names_driver_and_cupy(monkeypatch):
    from xpnn.backend import select

    told = "cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime version"
    monkeypatch.setattr(cupy.cuda.runtime, "getDeviceCount", failing(told, 35))
    with pytest.raises(BackendError, match="no CUDA device answers .*the driver is for CUDA 12.4, CuPy 14"):
        select._find_cupy()
