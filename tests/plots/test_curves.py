"""The curves of a run."""

import numpy as np
import pytest

from xpnn import plots


def test_every_score_has_its_panel():
    rows = [{"loss": 3.0, "lr": 0.1}, {"epoch": 5, "loss": 2.0, "val_loss": 2.5, "val_f1": 0.5, "seconds": 1.0}]
    loss, f1 = plots.curves(rows).axes
    assert (loss.get_ylabel(), f1.get_ylabel(), loss.get_xlabel()) == ("loss", "f1", "epoch")
    np.testing.assert_array_equal(loss.lines[0].get_xydata(), [[1, 3], [5, 2]])
    np.testing.assert_array_equal(loss.lines[1].get_xydata(), [[5, 2.5]])
    np.testing.assert_array_equal(f1.lines[0].get_xydata(), [[5, 0.5]])
    assert loss.lines[0].get_color() != loss.lines[1].get_color() == f1.lines[0].get_color()
    assert loss.lines[0].get_linestyle() != loss.lines[1].get_linestyle()


@pytest.mark.parametrize("rows", [[], [{"epoch": 1, "lr": 0.1}]])
def test_no_score(rows):
    with pytest.raises(ValueError, match="at least one epoch's loss"):
        plots.curves(rows)
