"""An error that is planted outside of equations and forms is found by the test that is named beside it.

``planted/in_saving.py``, ``in_readers.py`` and ``in_training.py`` say what is planted. The named test, or all of the
named file, runs in this process, without the error and with it.
"""

import sys
from functools import cache
from pathlib import Path

import pytest
from planted.in_readers import READERS
from planted.in_saving import SAVING
from planted.in_training import TRAINING
from planted.planting import found, plant

TESTS = Path(__file__).parent.parent


def outcome(test: str, folder: Path) -> pytest.ExitCode:
    """Of a test, of all whose names begin so, or of a file."""
    quiet = [f"-p no:{plugin}" for plugin in ("terminal", "cacheprovider", "faulthandler", "xdist")]
    file, _, name = test.partition("::")
    one = [] if test.endswith(("]", ".py")) else ["-k", name.rpartition("::")[2]]
    path = str(TESTS / (file if one else test))
    # imported anew, since they may hold functions as they were
    held = {key: sys.modules.pop(key) for key, module in [*sys.modules.items()] if _file(module) == str(TESTS / file)}
    try:
        return pytest.main([path, *one, "-x", "-c", str(TESTS / "pytest.ini"), f"--basetemp={folder}", *quiet])
    finally:
        sys.modules.update(held)


def _file(module: object) -> str | None:
    return getattr(module, "__file__", None)


@cache
def passes(test: str, folder: Path) -> bool:
    return outcome(test, folder) == pytest.ExitCode.OK


@pytest.mark.parametrize("mutation", SAVING + READERS + TRAINING, ids=str)
def test_the_test_that_is_named_finds_the_error(mutation, monkeypatch, tmp_path_factory):
    assert passes(mutation.fails, tmp_path_factory.getbasetemp() / "without")
    plant(monkeypatch, found(mutation.place), mutation.right, mutation.wrong)
    assert outcome(mutation.fails, tmp_path_factory.getbasetemp() / "with") == pytest.ExitCode.TESTS_FAILED
