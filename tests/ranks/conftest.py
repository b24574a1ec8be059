"""How tests start several ranks: by one `mpiexec` for many comparisons, since each start takes a second."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from border import ONCE

import xpnn

HERE = Path(__file__).parent
MPIEXEC = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
MPI = MPIEXEC or os.environ.get("XPNN_REQUIRE_PEERS", "0") not in ("", "0")
collect_ignore = [] if ONCE and MPI else ["test_mpi.py"] if ONCE else ["test_mpi.py", "test_equal.py"]
"""Once is enough; under XPNN_REQUIRE_PEERS there must be an MPI."""


@pytest.fixture
def run() -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run Python with arguments on so many ranks; the output has both streams."""

    def run(
        ranks: int, *arguments: str | Path, cwd: Path = HERE, **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        command = [str(MPIEXEC), "--oversubscribe", "--allow-run-as-root", "-n", str(ranks), sys.executable]
        root = {"PYTHONPATH": str(Path(xpnn.__path__[0]).parent), "OPENBLAS_NUM_THREADS": "1"}
        root["PYTHONDONTWRITEBYTECODE"] = ""  # else each rank compiles the package anew
        root["OMPI_MCA_smsc"] = "^cma"  # a container may forbid one process to read the memory of another
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.run(
            [*command, *map(str, arguments)], env=os.environ | root | variables, cwd=cwd, timeout=60, **streams
        )

    return run
