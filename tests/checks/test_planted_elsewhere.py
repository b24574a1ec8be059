"""An error that is planted outside of equations and forms is found by the test that is named beside it.

``planted/in_saving.py``, ``in_readers.py``, ``in_sequences.py``, ``in_training.py``, ``in_optimizers.py``,
``in_plots.py`` and ``in_explore.py`` say what is planted. The named test, or all of the named file, runs in this
process, without the error and with it.
"""

import pytest
from planted.in_explore import EXPLORE
from planted.in_optimizers import OPTIMIZERS
from planted.in_plots import PLOTS
from planted.in_readers import READERS
from planted.in_saving import SAVING
from planted.in_sequences import SEQUENCES
from planted.in_training import TRAINING
from planted.planting import found, outcome, passes, plant


@pytest.mark.parametrize("mutation", SAVING + READERS + SEQUENCES + TRAINING + OPTIMIZERS + PLOTS + EXPLORE, ids=str)
def test_the_test_that_is_named_finds_the_error(mutation, monkeypatch, tmp_path_factory):
    assert passes(mutation.fails, tmp_path_factory.getbasetemp() / "without")
    plant(monkeypatch, found(mutation.place), mutation.right, mutation.wrong)
    assert outcome(mutation.fails, tmp_path_factory.getbasetemp() / "with") == pytest.ExitCode.TESTS_FAILED
