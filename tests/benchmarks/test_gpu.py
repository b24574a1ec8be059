"""The parts of benchmarks/gpu.py that need no device."""

import importlib
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("gpu")


def cell(**seconds: list[float]) -> dict:
    losses = {"xpnn": [2.0, 1.0], "torch": [2.0, 1.0001], "jax": [2.0, 1.5]}
    cell = {"net": "mlp", "batch": 64, "task": "sgd", "seconds": seconds, "losses": losses}
    return cell | {"not_run": {"torch graph": "no device"}}


def test_table_has_medians(gpu):
    table = gpu.steps_table([cell(xpnn=[1e-3, 2e-3, 9e-3], jax=[4e-3])])
    assert table.splitlines()[0] == "| net, batch, task | xpnn | jax |"
    assert table.splitlines()[2] == "| mlp, 64, sgd | 2 | 4 |"


def test_other_work_is_loud(gpu):
    text = gpu.differences([cell(xpnn=[1e-3])])
    assert "- torch 1.0e-04" in text
    assert "**ERROR, NOT THE SAME WORK:** jax 5.0e-01" in text


def test_report_holds_both_precisions_and_who_did_not_run(gpu):
    first = {"tf32": False, "steps": [cell(xpnn=[1e-3])], "epoch": {"xpnn": {"on the device": 0.5, "streamed": 0.6}}}
    second = {"tf32": True, "steps": [], "memory": {"xpnn": 300}}
    text = gpu.text_of({"device": "H", "date": "D", "parts": [first, second]})
    assert "Without TF32" in text
    assert "With TF32\n\nMiB of a process on the device, training vgg at batch 256: xpnn 300." in text
    assert "| xpnn | 0.5 | 0.6 |" in text
    assert "Not run:\n- torch graph: no device" in text


def test_processes_answer_in_turn_and_one_that_ends_or_hangs_says_so(gpu, monkeypatch, tmp_path):
    """Workers that need no library in place of the real ones."""
    (tmp_path / "gpu_worker.py").write_text(
        f"import sys, time\nsys.path.insert(0, {str(BENCHMARKS)!r})\n"
        "from multiprocessing.connection import Connection\n"
        "connection = Connection(int(sys.argv[2]))\n"
        "while True:\n"
        "    method, arguments = connection.recv()\n"
        "    if method == 'slice' and sys.argv[1] == 'torch': sys.exit(3)\n"
        "    if sys.argv[1] == 'jax': time.sleep(60)\n"
        "    connection.send((None, 0.5 if method == 'slice' else [2.0]))\n"
    )
    monkeypatch.setattr(gpu, "__file__", str(tmp_path / "gpu.py"))
    monkeypatch.setattr(gpu, "PATIENCE_S", 3)
    processes = {name: gpu.Process(name, False) for name in ("xpnn", "torch", "jax")}
    options = gpu.argparse.Namespace(rounds=2, slice_s=0.1)
    found = gpu.measure(processes, gpu.NETS["mlp"], 2, "sgd", options)
    assert found["seconds"] == {"xpnn": [0.5, 0.5]}
    assert found["not_run"] == {"torch": "its process ended with code 3", "jax": "no answer in 3 s"}
    assert processes["jax"].ask("slice", 0.1) == ("its process ended with code -9", None)
    for process in processes.values():
        process.close()


def test_epochs_are_asked_for_as_often_as_told(gpu, monkeypatch):
    class Process:
        def ask(self, method, *arguments):
            return None, [1.0, 2.0, 9.0][: arguments[-1]] if method == "epoch" else [2.3]

    data = SimpleNamespace(x_train=np.zeros((1, 1, 28, 28), "uint8"), y_train=np.zeros(1, int))
    monkeypatch.setattr("xpnn.data.load_images", lambda name: data)
    found = gpu.measure_epoch({"xpnn": Process(), "torch": Process()}, 3)
    assert found == {name: {"on the device": 2.0, "streamed": 2.0} for name in ("xpnn", "torch")}


def test_an_epoch_is_full_batches_of_every_sample_but_the_rest(gpu):
    from gpu_contenders import epoch_batches

    parts = list(epoch_batches(10, 4, np.random.default_rng(0)))
    assert [len(part) for part in parts] == [4, 4]
    assert len({int(i) for part in parts for i in part}) == 8


def test_environment_of_a_contender(gpu):
    from gpu_contenders import variables

    on, off = variables("xpnn eager", True), variables("torch", False)
    assert (on["NN_BACKEND"], on["CUPY_TF32"], on["JAX_DEFAULT_MATMUL_PRECISION"]) == ("cupy", "1", "tensorfloat32")
    assert (off["NN_BACKEND"], off["CUPY_TF32"], off["JAX_DEFAULT_MATMUL_PRECISION"]) == ("numpy", "0", "highest")


def test_without_a_device_one_line_and_no_figures(gpu, tmp_path):
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "gpu.py"), "--out", str(tmp_path / "results")],
        env={"PATH": "", "PYTHONPATH": ":".join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert done.stderr == ("benchmarks/gpu.py: no CUDA device here (nvidia-smi is not found): nothing was measured\n")
    assert not (tmp_path / "results").exists()
