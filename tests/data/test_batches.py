"""Batches: every sample once."""

import numpy as np
import pytest

import xpnn as nn


class TestBatches:
    def test_every_sample_once(self):
        x = np.arange(10)
        parts = list(nn.batches(x, x * 2, 4, np.random.default_rng(0)))
        assert [len(part) for part, _ in parts] == [4, 4, 2]
        seen = np.concatenate([part for part, _ in parts])
        assert sorted(seen) == list(range(10))
        assert seen.tolist() != list(range(10))
        assert all((b == 2 * a).all() for a, b in parts)

    def test_in_order_without_a_generator(self):
        assert [part.tolist() for part, _ in nn.batches(np.arange(3), np.arange(3), 2)] == [[0, 1], [2]]

    def test_batch_size(self):
        with pytest.raises(ValueError, match="at least 1"):
            nn.batches(np.arange(3), np.arange(3), 0)
        with pytest.raises(ValueError, match="x has 5 samples, y has 3"):
            nn.batches(np.arange(5), np.arange(3), 2)

    def test_each_iteration_begins_anew(self):
        data = nn.batches(np.arange(5), np.arange(5), 2, rng=0)
        assert len(data) == 3
        first, second = (np.concatenate([x for x, _ in data]).tolist() for _ in range(2))
        assert first != second
        assert sorted(first) == sorted(second) == list(range(5))


def test_lists_and_tables_are_read_by_their_rows():
    pandas = pytest.importorskip("pandas")
    x, y = np.arange(10.0).reshape(5, 2), np.arange(5)
    wanted = list(nn.batches(x, y, 2, rng=0))
    index = [4, 3, 2, 1, 0]
    for given in ((x.tolist(), y.tolist()), (pandas.DataFrame(x, index), pandas.Series(y, index))):
        for batch, other in zip(nn.batches(*given, 2, rng=0), wanted, strict=True):
            for part, same in zip(batch, other, strict=True):
                np.testing.assert_array_equal(part, same)
    with pytest.raises(ValueError, match="batch_size: expected a whole number of at least 1, got 2.5"):
        nn.batches(x, y, 2.5)
