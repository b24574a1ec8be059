"""An error that is planted where ONNX models are read is found by the test that ``planted/in_onnx.py`` names."""

import pytest
from planted.in_onnx import ONNX
from planted.planting import found, outcome, passes, plant


@pytest.mark.parametrize("mutation", ONNX, ids=str)
def test_the_test_that_is_named_finds_the_error(mutation, monkeypatch, tmp_path_factory):
    assert passes(mutation.fails, tmp_path_factory.getbasetemp() / "without")
    plant(monkeypatch, found(mutation.place), mutation.right, mutation.wrong)
    assert outcome(mutation.fails, tmp_path_factory.getbasetemp() / "with") == pytest.ExitCode.TESTS_FAILED
