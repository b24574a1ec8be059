"""The parts of benchmarks/gpu.py that need no device."""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("gpu")


def cell(**seconds: list[float]) -> dict:
    losses = {"xpnn": [2.0, 1.0], "torch": [2.0, 1.0001], "jax": [2.0, 1.5]}
    cell = {"net": "mlp", "batch": 64, "task": "sgd", "tf32": False, "seconds": seconds, "losses": losses}
    return cell | {"memory": dict.fromkeys(seconds, 300), "not_run": {"torch graph": "no device"}}


def test_table_has_medians_and_memory(gpu):
    table = gpu.steps_table([cell(xpnn=[1e-3, 2e-3, 9e-3], jax=[4e-3])])
    assert table.splitlines()[0] == "| net, batch, task | xpnn | jax |"
    assert table.splitlines()[2] == "| mlp, 64, sgd | 2 (300) | 4 (300) |"


def test_other_work_is_loud(gpu):
    text = gpu.differences([cell(xpnn=[1e-3])])
    assert "- torch 1.0e-04" in text
    assert "**ERROR, NOT THE SAME WORK:** jax 5.0e-01" in text


def test_report_holds_both_precisions_and_who_did_not_run(gpu):
    epochs = {"False": {"xpnn": {"on the device": 0.5, "streamed": 0.6}}}
    text = gpu.text_of({"device": "H", "date": "D", "steps": [cell(xpnn=[1e-3])], "epochs": epochs})
    assert "Without TF32" in text
    assert "With TF32" in text
    assert "| xpnn | 0.5 | 0.6 |" in text
    assert "Not run:\n- torch graph: no device" in text


def test_an_epoch_is_full_batches_of_every_sample_but_the_rest(gpu):
    from gpu_contenders import epoch_batches

    x, y = np.arange(10)[:, None], np.arange(10)
    parts = list(epoch_batches(x, y, 4, np.random.default_rng(0)))
    assert [len(part) for part, _ in parts] == [4, 4]
    assert len({int(i) for _, part in parts for i in part}) == 8
    assert all((a[:, 0] == b).all() for a, b in parts)


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
