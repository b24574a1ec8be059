"""A batch, or a rank's share of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..backend import Array
from ..layers import Backward, Layer, Loss
from ..layers.whole import Share, share_of_batch

Arrays: TypeAlias = Sequence[Array]
"""x, or several inputs; y; weights."""

Steps: TypeAlias = np.ndarray | tuple[np.ndarray | None, ...] | None
"""The lengths of the sequences, as the model takes them: for several inputs a tuple, None for those without steps."""


def rows_of(lengths: Steps, rows: Any) -> Steps:
    """The lengths of some samples."""
    if isinstance(lengths, tuple):
        return tuple(None if one is None else one[rows] for one in lengths)
    return None if lengths is None else lengths[rows]


@dataclass(slots=True)
class Batch:
    """The backend arrays of a batch, or of this rank's ``share`` of it, and the sequences' lengths, on the host."""

    arrays: tuple[Array, ...]  # x, or the model's inputs; y; weights
    inputs: int
    lengths: Steps = None
    share: Share | None = None

    def __len__(self) -> int:
        """The number of samples in the whole batch."""
        return len(self.arrays[0]) if self.share is None else self.share.samples

    @property
    def counted(self) -> slice:
        """Which of the samples in this batch count."""
        return slice(None) if self.share is None else self.share.counted

    @property
    def has_integers(self) -> bool:
        """Whether an input consists of integers."""
        return any(x.dtype.kind in "iu" for x in self.arrays[: self.inputs])

    @property
    def targets(self) -> tuple[Array, ...]:
        """y, and the weights if there are any."""
        return self.arrays[self.inputs :]

    def scored(self, loss: Loss, outputs: Array, value: Array) -> tuple[Any, Array, Array | None]:
        """The weight (0 if no sample counts), the mean loss and the correct outputs (also 0 then) of these samples."""
        targets = self.targets
        weight, correct = loss.weight(*targets), loss.correct(outputs, *targets)
        if self.share is not None and self.share.empty:
            weight, correct = 0 * weight, None if correct is None else 0 * correct
        return weight, value, correct

    def forward(self, model: Layer) -> tuple[Array, Backward]:
        """The model's outputs, and backward for the parameters alone."""
        options: Any = {} if self.lengths is None else {"lengths": self.lengths}
        token = share_of_batch.set(self.share)
        try:
            return model.forward(self._x, needs_dx=False, **options)
        finally:
            share_of_batch.reset(token)

    def infer(self, model: Layer) -> Array:
        """The model's outputs."""
        options: Any = {} if self.lengths is None else {"lengths": self.lengths}
        return model(self._x, **options)

    @property
    def _x(self) -> Any:
        return self.arrays[0] if self.inputs == 1 else self.arrays[: self.inputs]


class Cut(NamedTuple):
    """Some rows of an entry of :meth:`Source.order` whose batch has to be read as a whole."""

    of: Any
    rows: slice
