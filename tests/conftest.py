"""What all tests share."""

import numpy as np
import pytest
from border import COMPILER, NO_KERNELS, ONCE, emulate_cublas

from xpnn.backend.select import plain

if not plain:  # which would import the forms
    emulate_cublas()

collect_ignore = [] if ONCE else ["test_docstrings.py", "test_documents.py", "test_packaging.py"]
"""The examples print what NumPy prints, and once is enough."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, else it would be the last one of several processes."""
    items.sort(key=lambda item: "test_on_the_stand_in" not in item.nodeid)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if NO_KERNELS:
        terminalreporter.write_line(f"the device's kernels were not run, for want of {COMPILER}", yellow=True)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
