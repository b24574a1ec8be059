"""The tests of training find what ``planted/in_training.py`` plants: those of the file that is named fail for it."""

import sys
from pathlib import Path

import pytest
from planted.in_training import TRAINING
from planted.planting import found, plant

from xpnn.backend.select import on_device, plain

TESTS = Path(__file__).parents[1]
ONCE = pytest.mark.skipif(on_device or plain, reason="the same wherever it runs")


@ONCE
@pytest.mark.parametrize("mutation", TRAINING, ids=str)
def test_the_tests_find_the_error(mutation, monkeypatch, tmp_path):
    path = str(TESTS / mutation.fails)
    for name in [name for name, module in sys.modules.items() if getattr(module, "__file__", None) == path]:
        monkeypatch.delitem(sys.modules, name)  # it may hold functions as they were
    plant(monkeypatch, found(mutation.place), mutation.right, mutation.wrong)
    quiet = [f"-p no:{plugin}" for plugin in ("terminal", "cacheprovider", "faulthandler", "xdist")]
    options = ["-x", f"--basetemp={tmp_path / 'within'}", f"--config-file={TESTS / 'pytest.ini'}", *quiet]
    assert pytest.main([*options, path]) == pytest.ExitCode.TESTS_FAILED
