"""LeNet-5 for one image, as C and by onnxruntime, one thread each: ``python benchmarks/chip.py``.

In turns of 20 calls; the CPU's time of this thread, so that other programs count little. Prints the medians, and those
of the quotients. ``--cc "clang -O2"`` chooses the compiler and its options.
"""

import argparse
import ctypes
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from report import table

import xpnn as nn
from xpnn.interop import c, onnx

CALLS, ROUNDS = 20, 150


def seconds(call: Callable[[], object]) -> float:
    """Of a call."""
    began = time.thread_time()
    for _ in range(CALLS):
        call()
    return (time.thread_time() - began) / CALLS


def in_c(model: nn.Layer, folder: Path, x: np.ndarray, compiler: list[str], int8: bool) -> Callable[[], object]:
    """A call of xpnn_predict, and what it takes."""
    print(c.export(model, folder / "model.c", int8=int8))
    library = (
        folder / f"{len(list(folder.iterdir()))}.so"
    )  # a new name, since the loader knows those that it has loaded
    subprocess.run([*compiler, "-std=c99", "-shared", "-fPIC", folder / "model.c", "-o", library, "-lm"], check=True)
    function, y = ctypes.CDLL(str(library)).xpnn_predict, np.empty(10, "float32")
    pointers = ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(y.ctypes.data)
    function(*pointers)
    expected = nn.predict(c.quantised(model) if int8 else model, x)[0]
    assert np.abs(y - expected).max() < 1e-5, (y, expected)
    return lambda: function(*pointers)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cc", default="gcc -O3")
    compiler = parser.parse_args().cc.split()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    x, rows = np.random.default_rng(0).standard_normal((1, 1, 28, 28)).astype("float32"), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for activation in (nn.ReLU(), nn.Tanh()):
            model = nn.LeNet5(rng=0, activation=activation)
            onnx.export(model, folder / "model.onnx")
            session = onnxruntime.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
            ways = [in_c(model, folder, x, compiler, int8) for int8 in (False, True)]
            ways.append(lambda session=session: session.run(None, {"input": x}))
            rounds = [[seconds(way) for way in ways] for _ in range(ROUNDS)]
            medians = [f"{1e6 * statistics.median(times):.0f} us" for times in zip(*rounds, strict=True)]
            quotients = [f"{statistics.median(one[i] / one[2] for one in rounds):.2f}" for i in (0, 1)]
            rows.append([repr(activation), *medians, *quotients])
    print(table(["LeNet-5, batch 1", "C", "C, int8", "onnxruntime", "C / onnxruntime", "int8 / onnxruntime"], rows))


if __name__ == "__main__":
    main()
