"""Tests that compare xpnn with what others wrote: a file runs only where the libraries that it needs are installed.

A file whose peer is missing is not collected, and the terminal summary says so. With the environment variable
``XPNN_REQUIRE_PEERS=1``, which CI sets, a missing peer stops the run with an error instead.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from border import AS_USED, STAND_IN

PEERS = {
    "test_browser_": ("chromium",),
    "test_browser_explore": ("flask",),
    "test_cupy_": ("cupy",),
    "test_cupy_nccl": ("nccl",),
    "test_hostile_": ("hypothesis",),
    "test_onnx_": ("onnx", "onnxruntime"),
    "test_onnx_sklearn": ("sklearn", "skl2onnx"),
    "test_onnx_torch": ("torch", "onnxscript"),
    "test_sklearn_": ("sklearn", "pandas"),
    "test_tables": ("onnx", "onnxruntime", "onnxscript", "sklearn", "skl2onnx", "torch"),
    "test_torch_": ("torch", "hypothesis"),
}
"""The modules and programs that a file needs, by the beginning of its name."""
PROGRAMS = {"chromium"}  # a program on the path says nothing of the module that is called like it

collect_ignore_glob = (
    [] if AS_USED else ["test_[!o]*", "test_onnx_[!b]*"] if STAND_IN else ["test_[!t]*", "test_tables*"]
)
"""Plain, PyTorch's values alone, by which the equations are known to be right. On the stand-in ONNX's operators alone,
most of which are no layer's equation: its forms are compared with the equations, and stand_in/checks/check_users.py has
an estimator."""

_left_out: dict[str, str] = {}


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    needed = [peer for prefix, peers in PEERS.items() if collection_path.name.startswith(prefix) for peer in peers]
    missing = ", ".join(peer for peer in needed if (shutil.which if peer in PROGRAMS else find_spec)(peer) is None)
    if not missing:
        return None
    if os.environ.get("XPNN_REQUIRE_PEERS", "0") not in ("", "0"):
        raise pytest.Collector.CollectError(f"{collection_path.name} needs {missing}, and XPNN_REQUIRE_PEERS is set")
    _left_out[collection_path.name] = missing
    return True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _left_out:
        files = "; ".join(f"{name} (no {missing})" for name, missing in sorted(_left_out.items()))
        terminalreporter.write_line(f"not run, for want of a peer: {files}", yellow=True)


@pytest.fixture(scope="session")
def measured(record_testsuite_property: Callable[[str, object], None]) -> Iterator[Callable[[str, float], None]]:
    """``measured(what, value)`` keeps the largest value of each thing measured, for the documentation to cite.

    The figures are printed when the session ends (shown with ``-s``) and stand in the report of ``--junit-xml``.
    """
    worst: dict[str, float] = {}

    def keep(what: str, value: float) -> None:
        worst[what] = max(value, worst.get(what, value))

    yield keep
    print(end="\n" if worst else "")
    for what, value in sorted(worst.items()):
        print(f"measured: {what}: {value:.2g}")
        record_testsuite_property(what, value)
