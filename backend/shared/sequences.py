"""Sequences as time-major rows, of equal or different lengths."""

import numpy as np

from ..border import asarray
from ..select import Array, xp


class Steps:
    """N sequences of T steps as rows, time-major: all of step 0, all of step 1, ...

    One product then serves all steps, and each step is a contiguous slice. States are (N + rows, H): the N initial
    states, then one for each row.

    Attributes:
        N: the number of sequences.
        T: the number of steps.
        slices: for each step, the slice of its rows and the slice of the states before it.
        before: for all rows, the indices of the states before them.
    """

    slices: list[tuple[slice, slice]]
    before: slice | Array

    def __init__(self, N: int, T: int) -> None:
        self.N, self.T = N, T
        steps = [slice(t * N, (t + 1) * N) for t in range(T)]
        self.slices = list(zip(steps, steps, strict=True))  # N initial states come first, so state r precedes row r
        self.before = slice(0, N * T)

    def rows(self, batch: Array, ones: int = 0) -> Array:
        """(N, T, features) -> (rows, features + ones); the added features are 1."""
        ordered, features = self._ordered(batch), batch.shape[2]
        rows = xp.empty((*ordered.shape[:-1], features + ones), dtype=batch.dtype)
        rows[..., :features] = ordered
        rows[..., features:] = 1
        return rows.reshape(-1, features + ones)

    def _ordered(self, batch: Array) -> Array:
        """The batch in the order of the rows, which may take one axis or several."""
        return batch.transpose(1, 0, 2)

    def batch(self, rows: Array) -> Array:
        """(rows, features) -> (N, T, features), 0 in the padding; the transpose of :meth:`rows` without ones."""
        return rows.reshape(self.T, self.N, -1).transpose(1, 0, 2)

    def last(self, rows: Array) -> Array:
        """Each sequence's last row: (N, features), a copy."""
        return rows[-self.N :].copy()

    def sort(self, state: Array) -> Array:
        """(N, H) in the order of the batch -> in the order of the rows."""
        return state

    def unsort(self, state: Array) -> Array:
        """The inverse of :meth:`sort`."""
        return state


class RaggedSteps(Steps):
    """Packed sequences of different lengths: sorted by length, the longest first, without the padding (as in PyTorch).

    The sequences that reach step t are the first n_t rows of a state, so the slices of later steps are shorter.
    """

    def __init__(self, N: int, T: int, lengths: np.ndarray) -> None:
        self.N, self.T = N, T
        order = np.argsort(-lengths, kind="stable")
        sizes = (lengths[:, None] > np.arange(lengths.max())).sum(0)  # n_t
        starts = np.cumsum(sizes) - sizes
        before = N + starts - np.concatenate([[N], sizes[:-1]])  # where step t-1 starts among the states
        self.slices = [
            (slice(now, now + n), slice(past, past + n))
            for now, past, n in zip(starts.tolist(), before.tolist(), sizes.tolist(), strict=True)
        ]
        step = np.repeat(np.arange(len(sizes)), sizes)
        place = np.arange(len(step)) - starts[step]  # of the row within its step
        ends = starts[lengths - 1] + np.argsort(order)
        indices = asarray(np.concatenate([order[place], step, before[step] + place, ends]))  # one copy to the device
        rows = len(step)
        self._sample, self._step, self.before = (indices[i * rows : (i + 1) * rows] for i in range(3))
        self._order, self._ends = self._sample[:N], indices[3 * rows :]

    def _ordered(self, batch: Array) -> Array:
        return batch[self._sample, self._step]

    def batch(self, rows: Array) -> Array:
        batch = xp.zeros((self.N, self.T, rows.shape[1]), dtype=rows.dtype)
        batch[self._sample, self._step] = rows
        return batch

    def last(self, rows: Array) -> Array:
        return rows.take(self._ends, axis=0)

    def sort(self, state: Array) -> Array:
        return state.take(self._order, axis=0)

    def unsort(self, state: Array) -> Array:
        unsorted = xp.empty_like(state)
        unsorted[self._order] = state
        return unsorted
