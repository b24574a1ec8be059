"""The tests of files and streams find planted errors: each of them fails for its own."""

from pathlib import Path

import pytest
from planted.in_readers import READERS
from planted.planting import found, plant

TESTS = Path(__file__).parents[1]


def verdict(file: str, expression: str) -> pytest.ExitCode:
    """Of the tests of a file whose names match, run within this one."""
    options = ["-q", "-x", "-p", "no:cacheprovider", f"--rootdir={TESTS}"]
    return pytest.main([*options, f"--config-file={TESTS / 'pytest.ini'}", "-k", expression, str(TESTS / file)])


@pytest.mark.parametrize("mutation", READERS, ids=lambda mutation: f"{mutation.place}: {mutation.plants}")
def test_an_error_in_a_reader_is_found(mutation, monkeypatch):
    plant(monkeypatch, found(mutation.place), mutation.right, mutation.wrong)
    assert verdict(mutation.fails, mutation.cases) == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize(("file", "expression"), dict.fromkeys((one.fails, one.cases) for one in READERS))
def test_without_an_error_its_tests_pass(file, expression):
    assert verdict(file, expression) == pytest.ExitCode.OK
