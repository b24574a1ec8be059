"""The comparisons of equal.py, each network and option once, by ranks that are threads."""

import numpy as np
from ranks.equal import BOUND, ROWS, campaign
from ranks.in_threads import together


def test_training_is_that_of_one_process(tmp_path):
    np.save(tmp_path / "rows.npy", ROWS)
    for found, rounding in together(3, lambda ranks: campaign(ranks, tmp_path, "some")):
        assert len(found) == 21
        assert not rounding, (rounding, found)
        assert max(found.values()) <= BOUND, found
