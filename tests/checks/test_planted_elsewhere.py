"""An error that is planted outside of equations and forms is found by the test that is named beside it.

``planted/in_saving.py`` and ``planted/in_readers.py`` say what is planted. The named test runs in this process,
without the error and with it.
"""

from functools import cache
from pathlib import Path

import pytest
from planted.in_readers import READERS
from planted.in_saving import SAVING
from planted.planting import found, plant

TESTS = Path(__file__).parent.parent


def outcome(test: str, folder: Path) -> pytest.ExitCode:
    """Of a test, or of all whose names begin so."""
    quiet = [f"-p no:{plugin}" for plugin in ("terminal", "cacheprovider", "faulthandler", "xdist")]
    one = [test] if test.endswith("]") else [test.partition("::")[0], "-k", test.rpartition("::")[2]]
    one[0] = str(TESTS / one[0])
    return pytest.main([*one, "-x", "-c", str(TESTS / "pytest.ini"), f"--basetemp={folder}", *quiet])


@cache
def passes(test: str, folder: Path) -> bool:
    return outcome(test, folder) == pytest.ExitCode.OK


@pytest.mark.parametrize("mutation", SAVING + READERS, ids=str)
def test_the_test_that_is_named_finds_the_error(mutation, monkeypatch, tmp_path_factory):
    assert passes(mutation.fails, tmp_path_factory.getbasetemp() / "without")
    plant(monkeypatch, found(mutation.place), mutation.right, mutation.wrong)
    assert outcome(mutation.fails, tmp_path_factory.getbasetemp() / "with") == pytest.ExitCode.TESTS_FAILED
