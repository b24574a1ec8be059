"""Batches that the user makes, by a DataLoader or a generator."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from ..backend import Rng
from ..layers import Layer
from .batch import Arrays, Batch, Cut, Steps
from .columns import Lazy, Sequences, columns, inputs_given, of_batch
from .sources import Source


class Stream(Source):
    """Batches (x, y) or (x, y, weights) from an iterable; each pass begins a new iteration."""

    def __init__(self, caller: str, model: Layer, given: Any, targets: bool) -> None:
        super().__init__(caller, model)
        self._given, self._targets = given, targets
        self._begun: Iterator[tuple[int, Any]] | None = None

    def _count(self, batch_size: int) -> int | None:
        try:
            return len(self._given)
        except TypeError:
            return None

    def order(self, batch_size: int, rng: Rng = None) -> Iterable[Any]:
        begun, self._begun = self._begun, None
        return begun or self._pass()

    def _pass(self) -> Iterator[tuple[int, Any]]:
        given, number = self._given() if callable(self._given) else self._given, 0
        batches = given if hasattr(given, "__iter__") else (given[index] for index in range(len(given)))
        for number, batch in enumerate(batches, 1):
            yield number, batch
        if number == 0:
            raise ValueError(
                f"{self.caller}: there were no batches (a generator can be iterated over only once: give the function "
                "that makes it)"
            )
        if hasattr(given, "on_epoch_end"):  # Keras's PyDataset shuffles there
            given.on_epoch_end()

    def _size(self, key: Any) -> int:
        x, *_ = of_batch(f"{self.caller}: batch {key[0]}", key[1], self._targets)
        return len(inputs_given(self.caller, x, self._names)[0])

    def _cut(self, key: Any, rows: slice) -> Any:
        return Cut(key, rows)

    def read(self, key: Any) -> tuple[Arrays, Steps]:
        number, batch = key
        caller = f"{self.caller}: batch {number}"
        x, *rest = of_batch(caller, batch, self._targets)
        made = columns(caller, (*inputs_given(caller, x, self._names), *rest), self._inputs)
        if any(getattr(one, "ndim", 1) == 0 for one in made):
            raise ValueError(
                f"{caller}: expected a batch, got a single sample: a DataLoader makes batches of a data set"
            )
        # the loader may write the next batch into the same arrays while this one waits
        own = [one if isinstance(one, Lazy | Sequences) else one.copy() for one in made]
        return self._checked(caller, own)

    def trial(self, batch_size: int) -> Iterator[Batch]:
        """The first batch, with which the next pass will begin."""
        batches = iter(self.order(batch_size))
        first = next(batches)
        self._begun = chain([first], batches)
        yield from self.batches([first])
