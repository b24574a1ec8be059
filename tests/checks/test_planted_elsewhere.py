"""An error that is planted outside of equations and forms is found by the test that is named beside it.

``planted/elsewhere.py`` has them. The named test, or all of the named file, runs in this process, without the error and
with it.
"""

import pytest
from planted.elsewhere import ELSEWHERE
from planted.planting import found, outcome, passes, plant


@pytest.mark.parametrize("mutation", ELSEWHERE, ids=str)
def test_the_test_that_is_named_finds_the_error(mutation, monkeypatch, tmp_path_factory):
    assert passes(mutation.fails, tmp_path_factory.getbasetemp() / "without")
    plant(monkeypatch, found(mutation.place), mutation.right, mutation.wrong)
    assert outcome(mutation.fails, tmp_path_factory.getbasetemp() / "with") == pytest.ExitCode.TESTS_FAILED
