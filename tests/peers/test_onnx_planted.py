"""An error that is planted where ONNX models are read is found by the test that ``planted/in_onnx.py`` names."""

from functools import cache
from pathlib import Path

import pytest
from planted.in_onnx import ONNX
from planted.planting import found, plant

TESTS = Path(__file__).parent.parent


def outcome(test: str, folder: Path) -> pytest.ExitCode:
    """Of all tests whose names begin so, in this process."""
    file, _, name = test.partition("::")
    quiet = [f"-p no:{plugin}" for plugin in ("terminal", "cacheprovider", "faulthandler", "xdist")]
    selection = ["-k", name, f"--basetemp={folder}"]
    return pytest.main([str(TESTS / file), "-x", "-c", str(TESTS / "pytest.ini"), *quiet, *selection])


@cache
def passes(test: str, folder: Path) -> bool:
    return outcome(test, folder) == pytest.ExitCode.OK


@pytest.mark.parametrize("mutation", ONNX, ids=str)
def test_the_test_that_is_named_finds_the_error(mutation, monkeypatch, tmp_path_factory):
    assert passes(mutation.fails, tmp_path_factory.getbasetemp() / "without")
    plant(monkeypatch, found(mutation.place), mutation.right, mutation.wrong)
    assert outcome(mutation.fails, tmp_path_factory.getbasetemp() / "with") == pytest.ExitCode.TESTS_FAILED
