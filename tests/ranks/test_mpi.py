"""Ranks that MPI has started: equal to one process, and how they end where one of them fails."""

import subprocess
import sys

import pytest

import xpnn as nn
from xpnn.backend import mpi_ranks


@pytest.mark.parametrize(("ranks", "much"), [(2, "few"), (3, "some")])
def test_training_is_that_of_one_process(run, ranks, much):
    """Every option once; `equal.py all` compares every network, optimiser and option, for 50 steps."""
    done = run(ranks, "equal.py", much)
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith(f"{ranks} rank"), done.stdout


def test_a_killed_rank_is_named_and_the_run_goes_on_with_fewer(run, tmp_path):
    """`faults.py` has ranks that raise, hang, stop or leave, too; each costs seconds."""
    done = run(2, "faults.py", "killed", tmp_path, 20)
    assert done.returncode != 0
    assert "rank 1 " in done.stdout, done.stdout
    assert "signal 9" in done.stdout, done.stdout
    assert [file.name for file in sorted(tmp_path.iterdir())][1:] == [
        "step-000000010.safetensors",
        "step-000000020.safetensors",
    ]
    assert str(tmp_path) not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    done = run(1, "faults.py", "whole", tmp_path, 20)
    assert "epoch 2, step 20" in done.stdout, done.stdout
    assert float(done.stdout.split()[-1]) < 1e-12, done.stdout


def test_what_mpi_needs_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    mpi_ranks._line.cache_clear()
    with pytest.raises(ImportError, match=r"extra \[mpi\]"):
        nn.mpi()
