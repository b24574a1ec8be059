"""The package on the stand-in for CuPy: each file of checks in its own interpreter."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from border import NO_KERNELS

STAND_IN = Path(__file__).parent
KERNELS = [] if NO_KERNELS else [("check_kernels.py", "cupy")]


@pytest.mark.parametrize(
    ("checks", "backend"),
    [
        ("check_border.py", "cupy"),
        ("check_copies.py", "cupy"),
        ("check_capture.py", "cupy"),
        ("check_errors.py", "cupy"),
        ("check_gemm.py", "cupy"),
        *KERNELS,
        ("check_mistakes.py", "cupy"),
        ("check_stream.py", "cupy"),
        ("check_users.py", "cupy"),
        ("check_mistakes.py", "numpy"),
    ],
)
def test_on_the_stand_in(checks, backend):
    path = os.pathsep.join([str(STAND_IN), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(STAND_IN / "checks" / checks)],
        env=os.environ | {"PYTHONPATH": path, "NN_BACKEND": backend, "NN_PLAIN": ""},
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stdout + done.stderr
