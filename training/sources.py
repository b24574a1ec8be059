"""Sources of batches: arrays in memory, rows that are read when they are needed, or iterables of batches."""

import copy
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeAlias

import numpy as np

from ..backend import ALONE, Array, Ranks, Rng, prefetch, to_numpy
from ..backend.border import Indices
from ..backend.shared.data import here, on_host, taken
from ..data.batches import batch_indices
from ..data.reader import read_ahead
from ..data.sequences import bucketed
from ..layers import Layer
from ..layers.base import several
from ..layers.settings import real
from ..layers.whole import Share
from .batch import Arrays, Batch, Cut, Steps, rows_of
from .columns import check_steps, inputs_of, lengths_of
from .inputs import check_arrays
from .together import checksum, share_of

Change: TypeAlias = Callable[[Arrays, Steps], Arrays]
"""A function of a batch's arrays and its sequences' lengths that returns the arrays for the model and the loss."""


class Source:
    """A source of batches.

    Attributes:
        caller: the name of the calling function in errors.
        samples: the number of samples; None if unknown.
        labels: all targets, if they are in memory; else None.
        ranks: the ranks that share each batch.
        converts: whether integer inputs become floating-point values; set it for a model that does not read symbols.
        drop_last: whether a pass has only full batches; it has no effect on batches that the user makes.
    """

    converts = False
    drop_last = False
    samples: int | None = None
    labels: Array | None = None
    ranks: Ranks = ALONE

    def __init__(self, caller: str, model: Layer) -> None:
        self.caller, self._dtype = caller, model.dtype
        self._names = inputs_of(model)
        self._inputs = len(self._names)
        self._change: Change = lambda arrays, lengths: arrays

    def steps(self, batch_size: int, accumulate: int = 1) -> int | None:
        """The number of steps of a pass, each of ``accumulate`` batches; None if unknown."""
        count = self._count(batch_size)
        return None if count is None else -(-count // accumulate)

    def _count(self, batch_size: int) -> int | None:
        """The number of batches of a pass."""
        samples = self.samples or 0
        return samples // batch_size if self.drop_last else -(-samples // batch_size)

    def has_made(self, samples: int, batches: int, batch_size: int) -> bool:
        """Whether a pass can have had this many samples in this many batches, one of which may be smaller."""
        total = self.samples or 0
        full = batches * batch_size
        return self.samples is None or samples in (min(full, total), full - -total % batch_size)

    def order(self, batch_size: int, rng: Rng = None) -> Iterable[Any]:
        """The keys by which the batches of a pass are read; ``rng`` shuffles them and is drawn from in this call."""
        return batch_indices(self.samples or 0, batch_size, rng)

    def pass_over(self, batch_size: int, rng: Rng = None, skip: int = 0) -> Iterator[Batch]:
        """The batches of a pass, without the first ``skip`` ones.

        Each of several ranks gets its share of every batch; the batches do not depend on the number of ranks.
        """
        full = self._count(batch_size) if self.drop_last else None
        if full == 0:
            raise ValueError(f"{self.caller}: drop_last leaves no batch of {batch_size} from {self.samples} samples")
        order = islice(self.order(batch_size, rng), skip, full)
        return self.batches(order) if self.ranks.size == 1 else self._shares(order)

    def _shares(self, order: Iterable[Any]) -> Iterator[Batch]:
        shares: deque[Share] = deque()

        def own() -> Iterator[Any]:
            for key in order:
                shares.append(share_of(self._size(key), self.ranks))
                yield self._cut(key, shares[-1].rows)

        for batch in self.batches(own()):
            batch.share = shares.popleft()
            yield batch

    def _size(self, key: Any) -> int:
        """The number of samples of a key of :meth:`order`."""
        return len(range(self.samples or 0)[key]) if isinstance(key, slice) else len(key)

    def _cut(self, key: Any, rows: slice) -> Any:
        """A key for these rows of the key's batch."""
        if not isinstance(key, slice):
            return key[rows]
        own = range(self.samples or 0)[key][rows]
        return slice(own.start, own.stop)

    def batches(self, order: Iterable[Any]) -> Iterator[Batch]:
        """The batches of these keys of :meth:`order`; a thread reads them ahead."""
        lengths: deque[Steps] = deque()

        def arrays() -> Iterator[Arrays]:
            for part, steps in read_ahead(map(self._read, order), here()):
                lengths.append(steps)
                yield part

        for part in prefetch(None, arrays(), self._dtype):
            yield self._batch(part, lengths.popleft())

    def _read(self, key: Any) -> tuple[Arrays, Steps]:
        if not isinstance(key, Cut):
            return self.read(key)
        arrays, lengths = self.read(key.of)
        return [array[key.rows] for array in arrays], rows_of(lengths, key.rows)

    def read(self, key: Any) -> tuple[Arrays, Steps]:
        """A batch's arrays, and the lengths of its sequences."""
        raise NotImplementedError

    def trial(self, batch_size: int) -> Iterator[Batch]:
        """Batches that reveal misfits: the first one, or as much of it as a rank's share; and a single sample, if a
        pass has such a batch."""
        first = next(iter(self.order(self._own(batch_size))))
        yield from self.batches([first, *([self._cut(first, slice(1))] if self._leaves_one(batch_size) else [])])

    def _leaves_one(self, batch_size: int) -> bool:
        return 1 in (batch_size, 0 if self.drop_last else (self.samples or 0) % batch_size)

    def _own(self, batch_size: int) -> int:
        """The size of a rank's share, but at least 2, as batch normalisation needs."""
        return batch_size if self.ranks.size == 1 else max(min(2, batch_size), -(-batch_size // self.ranks.size))

    def fingerprint(self) -> int:
        """A checksum to tell the data from others: here of the first batch."""
        return checksum(to_numpy(array) for array in next(self.trial(1)).arrays)

    @property
    def may_have_integers(self) -> bool:
        """Whether an input may consist of integers; only a batch that was read shows it."""
        return True

    def change(self, change: Change) -> None:
        """Apply a function to each batch's arrays."""
        self._change = change

    def split(self, share: float, rng: Rng) -> "tuple[Source, Source]":
        """Two sources: one without a share of the samples, which ``rng`` draws, and one with that share."""
        if self.samples is None:
            raise ValueError(f"{self.caller}: validation_split is for arrays: give separate data as validation=")
        count = round(share * self.samples) if 0 < real(share) < 1 else 0
        if not 0 < count < self.samples:
            raise ValueError(f"{self.caller}: expected validation_split to leave samples on both sides, got {share!r}")
        order = np.random.default_rng(rng).permutation(self.samples)
        return self._part(np.sort(order[count:])), self._part(np.sort(order[:count]))

    def _part(self, rows: np.ndarray) -> "Source":
        """A source of these samples."""
        part = copy.copy(self)
        part.samples = len(rows)
        part.labels = None if self.labels is None else taken(self.labels, rows)
        return part

    def _checked(
        self, caller: str, columns: Sequence[Any], lengths: Steps = None, rows: Indices = slice(None)
    ) -> tuple[Arrays, Steps]:
        """A batch's arrays as the model and the loss take them, and the lengths of its sequences."""
        if lengths is None:
            lengths = lengths_of(columns[: self._inputs])
            check_steps(caller, columns, self._inputs, lengths)
        arrays = [one[:] for one in columns]
        for i, own in enumerate(several(lengths)):
            if own is not None:
                arrays[i] = arrays[i][:, : own.max()]
        return self._change(check_arrays(caller, arrays, self._inputs, self._dtype, rows), lengths), lengths

    def _batch(self, arrays: Arrays, lengths: Steps = None) -> Batch:
        if self.converts:  # on the device, since integers are copied there faster than floats
            inputs = (x.astype(self._dtype) if x.dtype.kind in "iu" else x for x in arrays[: self._inputs])
            arrays = (*inputs, *arrays[self._inputs :])
        return Batch(tuple(arrays), self._inputs, lengths)


class InMemory(Source):
    """Arrays on the host or the device, which are checked at once."""

    def __init__(self, caller: str, model: Layer, arrays: Sequence[Any]) -> None:
        super().__init__(caller, model)
        self.arrays = check_arrays(caller, arrays, self._inputs, self._dtype)
        self.samples = len(self.arrays[0])
        self.labels = (*self.arrays, None)[self._inputs]

    def batches(self, order: Iterable[Any]) -> Iterator[Batch]:
        return map(self._batch, prefetch(self.arrays, order, self._dtype))

    def trial(self, batch_size: int) -> Iterator[Batch]:
        """A batch with the lowest and the highest label; then one of a single sample, if a pass has such a batch."""
        samples, y = len(self.arrays[0]), self.labels
        rows = np.arange(min(max(2, self._own(batch_size)), samples))
        last = [rows[:1]] if self._leaves_one(batch_size) else []
        if y is not None and y.dtype.kind in "iu":
            rows[[0, -1]] = [int(end) // (y.size // len(y)) for end in (y.argmin(), y.argmax())]
        return self.batches([rows, *last])

    @property
    def may_have_integers(self) -> bool:
        return any(x.dtype.kind in "iu" for x in self.arrays[: self._inputs])

    def change(self, change: Change) -> None:
        self.arrays = tuple(change(self.arrays, None))
        if len(self.arrays) > self._inputs + 1 and not self.arrays[-1].any():
            raise ValueError(f"{self.caller}: all weights are 0, so the mean is undefined")

    def fingerprint(self) -> int:
        """A checksum of all samples."""
        return checksum(map(on_host, self.arrays))

    def _part(self, rows: np.ndarray) -> Source:
        part: Any = super()._part(rows)
        part.arrays = tuple(taken(array, rows) for array in self.arrays)
        return part


class Rows(Source):
    """Rows that are read, and checked, batch by batch: of a memory map, a file, sparse matrices, sequences."""

    def __init__(
        self,
        caller: str,
        model: Layer,
        samples: int,
        take: Callable[[Any], Sequence[Any]],
        labels: Array | None = None,
        lengths: Steps = None,
    ) -> None:
        """``take`` returns the arrays of some rows, a slice or indices; ``lengths`` are those of sequences."""
        super().__init__(caller, model)
        self.samples, self.labels, self._take, self._lengths = samples, labels, take, lengths
        self._rows: np.ndarray | None = None
        if lengths is not None and not model.takes_lengths:
            raise ValueError(f"{caller}: {type(model).__name__} does not take sequences of different lengths")
        for one in several(lengths):
            if one is not None and one.shape != (samples,):
                raise ValueError(f"{caller}: expected {samples} lengths, one for each sample, got {one.shape}")
            if one is not None and one.dtype.kind not in "iu":
                raise TypeError(f"{caller}: expected lengths as whole numbers, got dtype {one.dtype}")

    def order(self, batch_size: int, rng: Rng = None) -> Iterable[Any]:
        """As for :class:`Source`; shuffled sequences form batches of similar lengths."""
        if self._lengths is None or rng is None:
            return super().order(batch_size, rng)
        steps = sum(one for one in several(self._lengths) if one is not None)
        return bucketed(steps, batch_size, np.random.default_rng(rng))

    def read(self, key: Any) -> tuple[Arrays, Steps]:
        rows = key if self._rows is None else self._rows[key]
        return self._checked(self.caller, self._take(rows), rows_of(self._lengths, key), rows)

    def _part(self, rows: np.ndarray) -> Source:
        part: Any = super()._part(rows)
        part._rows, part._lengths = rows, rows_of(self._lengths, rows)
        return part

    def _cut(self, key: Any, rows: slice) -> Any:
        """As for :class:`Source`; sequences are read as a whole batch, since its longest one decides the padding."""
        return super()._cut(key, rows) if self._lengths is None else Cut(key, rows)

    def fingerprint(self) -> int:
        """A checksum of at most 64 samples, since reading all would take too long."""
        rows = np.unique(np.linspace(0, (self.samples or 1) - 1, 64).astype(int))
        return checksum(np.asarray(array) for array in self.read(rows)[0])
