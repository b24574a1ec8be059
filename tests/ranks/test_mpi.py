"""Ranks that MPI has started: equal to one process, and how they end where one of them fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from border import NO_KERNELS

import xpnn as nn
from xpnn.backend import mpi_ranks


def test_training_is_that_of_one_process(run):
    """`equal.py all` compares every network, optimiser and option, for 50 steps."""
    done = run(3, "equal.py", "few")
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("3 ranks on 1 host: 4 comparisons"), done.stdout


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


def test_ranks_with_a_device_each(run):
    """The whole of `equal.py` runs on the stand-ins, too, and takes minutes."""
    paths = Path(nn.__path__[0]).parent, Path(__file__).parents[1] / "stand_in"
    variables = {"PYTHONPATH": os.pathsep.join(map(str, paths)), "NN_BACKEND": "cupy", "NN_PLAIN": ""}
    done = run(2, "devices.py", STAND_IN_DEVICES="2", **variables)
    told = {line.partition(" | ")[0]: line.split(" | ")[1:] for line in done.stdout.splitlines()}
    launches = 0 if NO_KERNELS else 12
    for way, by in (("NCCL", "by NCCL"), ("pinned", "through pinned host memory (as a test wants it)")):
        assert told.get(way) == [str((f"2 ranks on 1 host, {by}", rank, launches)) for rank in (0, 1)], done.stdout
    first, second, hangs, missing = told["failed"]
    assert [first.partition(" on ")[2][:6], second.partition(" on ")[2][:6]] == ["rank 0", "rank 1"]
    assert first.endswith("error 6: the stand-in's")
    assert hangs.startswith("rank 1 "), hangs
    assert "did not answer for 1 s" in hangs
    assert "extra [nccl]" in missing
    assert done.returncode != 0


def test_what_mpi_needs_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    mpi_ranks._line.cache_clear()
    with pytest.raises(ImportError, match=r"extra \[mpi\]"):
        nn.mpi()


def test_who_waits_in_the_operation_before_is_not_named():
    line = object.__new__(mpi_ranks._Line)
    line.rank, line.size, line.names, line._count, line._waiting = 0, 3, ["rank 0", "rank 1", "rank 2"], 5, {1: 4, 2: 3}
    assert str(line._missing(1)).startswith("rank 2 did not answer for 1 s")
