"""Sequences side by side, and batches of similar lengths."""

import numpy as np
import pytest

import xpnn as nn

LENGTHS = np.random.default_rng(0).integers(29, 362, 203)


class TestPad:
    def test_zeros_after_each_end(self):
        sequences = [np.full((length, 2), float(length)) for length in (2, 4, 1)]
        padded, lengths = nn.pad(sequences)
        assert padded.shape == (3, 4, 2)
        assert lengths.tolist() == [2, 4, 1]
        for row, sequence in zip(padded, sequences, strict=True):
            assert row.sum() == sequence.sum()
            assert (row[: len(sequence)] == sequence).all()

    @pytest.mark.parametrize(
        ("sequences", "dtype", "expected"),
        [
            ([[1, 2], [3]], None, "int64"),
            ([np.ones(2, "float32"), np.ones(1, "float64")], None, "float64"),
            ([np.ones(2, "uint8")], None, "uint8"),
            ([np.ones(2)], "float32", "float32"),
            (iter([[True]]), None, "bool"),
        ],
    )
    def test_dtype(self, sequences, dtype, expected):
        padded, lengths = nn.pad(sequences, dtype)
        assert (padded.dtype, lengths.dtype) == (expected, "int64")

    @pytest.mark.parametrize(
        ("sequences", "error", "message"),
        [
            ([], ValueError, "at least one sequence"),
            ([[1], []], ValueError, r"shape \(steps\), got \(0,\) in sequence 1"),
            ([np.ones((2, 3)), np.ones((2, 4))], ValueError, r"shape \(steps, 3\), got \(2, 4\) in sequence 1"),
            ([np.ones((2, 3)), np.ones(3)], ValueError, r"got \(3,\) in sequence 1"),
            ([np.float64(1.0)], ValueError, r"got \(\) in sequence 0"),
            (["abc"], TypeError, "numbers, got dtype <U3 in sequence 0"),
        ],
    )
    def test_wrong_sequences(self, sequences, error, message):
        with pytest.raises(error, match=f"pad: expected .*{message}"):
            nn.pad(sequences)


class TestBucketed:
    @pytest.mark.parametrize("batch_size", [1, 7, 32, 203, 500])
    @pytest.mark.parametrize("seed", [None, 0])
    def test_every_sequence_once(self, batch_size, seed):
        batches = nn.bucketed(LENGTHS, batch_size, seed)
        assert sorted(np.concatenate(batches)) == list(range(203))
        assert len(batches) == -(-203 // batch_size)
        assert sum(len(batch) < batch_size for batch in batches) == (203 % batch_size > 0)

    def test_steps_of_padding(self):
        """At most a quarter of what random batches pad."""

        def padding(batches):
            return sum(len(batch) * LENGTHS[batch].max() - LENGTHS[batch].sum() for batch in batches)

        order = np.random.default_rng(0).permutation(203)
        assert padding(nn.bucketed(LENGTHS, 16, 0)) < 0.25 * padding(np.split(order, range(16, 203, 16)))

    def test_a_generator_gives_other_batches_in_each_pass_and_a_seed_the_same_ones(self):
        generator = np.random.default_rng(0)
        first, second, again = (nn.bucketed(LENGTHS, 16, rng) for rng in (generator, generator, 0))
        assert all(np.array_equal(*pair) for pair in zip(first, again, strict=True))
        sets = [{frozenset(batch.tolist()) for batch in batches} for batches in (first, second)]
        assert len(sets[0] & sets[1]) <= 1
        ends = [LENGTHS[batch].max() for batch in first]
        assert ends != sorted(ends)

    def test_from_short_to_long_without_a_generator(self):
        batches = nn.bucketed([5, 2, 9, 2, 1], 2)
        assert [batch.tolist() for batch in batches] == [[4, 1], [3, 0], [2]]

    def test_equal_lengths_are_shuffled_like_any_samples(self):
        (batch,) = nn.bucketed([3] * 50, 50, 0)
        assert batch.tolist() != sorted(batch)

    def test_no_sequences(self):
        assert nn.bucketed(np.zeros(0, int), 4, 0) == []

    def test_wrong_arguments(self):
        for size in (0, 2.5):
            with pytest.raises(ValueError, match=f"batch_size: expected a whole number of at least 1, got {size}"):
                nn.bucketed([3], size)
        with pytest.raises(ValueError, match=r"an integer of at least 0 for each sequence, got float64 of \(2,\)"):
            nn.bucketed([1.0, 2.0], 1)
