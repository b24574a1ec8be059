"""What a loop over batches asks of the backend: data that come in time, and steps that repeat."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from .accelerate import accelerated
from .border import Indices, asarray, dtype_of
from .select import Array


@accelerated
def prefetch(
    arrays: Sequence[np.ndarray], batches: Iterable[Indices], dtype: Any = None
) -> Iterator[tuple[Array, ...]]:
    """Each batch of some host arrays as arrays of the backend.

    Args:
        arrays: of the host, with the samples along the first axis.
        batches: the samples of each, as a slice or as indices of at least 0.
        dtype: of floating-point arrays; float32 by default. Integers stay as they are.

    Raises:
        TypeError: an array holds no numbers.
    """
    dtypes = [dtype_of(array, dtype if array.dtype.kind == "f" else None) for array in arrays]
    for batch in batches:
        yield tuple(asarray(array[batch], kind) for array, kind in zip(arrays, dtypes, strict=True))


@accelerated
def captured(
    step: Callable[..., Any],
    dtype: Any = "float32",
    undo: Callable[[], None] = lambda: None,
    place: Callable[[], object] = lambda: None,
) -> Callable[..., Any]:
    """The step itself; its form for a device records the step once and then replays it with one launch.

    Args:
        step: takes arrays of the backend and numbers, all by position. Whatever of the host changes from step to step
            is among them.
        dtype: of the 0-d arrays that a device's step gets in place of numbers.
        undo: takes back what a step leaves on the host by which the next would differ, where a recording has failed.
        place: asked before each step; where it gives another object, arrays have moved and the step is recorded anew.

    Returns:
        A function of the same arguments. The arrays that it returns are overwritten by its next call.
    """
    return step


@accelerated
def batch_slices(samples: int, elements: int) -> list[slice]:
    """The slices in which a batch is to go through a network: all of it at once.

    Args:
        samples: in the batch.
        elements: in the batch.
    """
    return [slice(0, samples)]
