"""The backend's part in a loop over batches: batches as backend arrays, and steps that can be replayed."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from .accelerate import accelerated
from .border import asarray
from .select import Array
from .shared.data import batch_dtypes, taken


@accelerated
def prefetch(arrays: Sequence[Array] | None, batches: Iterable[Any], dtype: Any = None) -> Iterator[tuple[Array, ...]]:
    """Each batch of some arrays as arrays of the backend.

    Args:
        arrays: arrays on the host or the device, with the samples along the first axis; None if the batches are arrays.
        batches: the samples of each batch, as a slice or as non-negative indices; without ``arrays`` each batch is a
            tuple of arrays.
        dtype: the dtype for floating-point and boolean arrays, by default float32. Integers keep their dtype.

    Raises:
        TypeError: an array is not numeric.
    """
    if arrays is None:
        yield from (part for batch in batches for part in prefetch(batch, [slice(None)], dtype))
        return
    dtypes = batch_dtypes(arrays, dtype)
    for batch in batches:
        yield tuple(asarray(taken(array, batch), kind) for array, kind in zip(arrays, dtypes, strict=True))


@accelerated
def captured(
    step: Callable[..., Any],
    dtype: Any = "float32",
    undo: Callable[[], None] = lambda: None,
    place: Callable[[], object] = lambda: None,
) -> Callable[..., Any]:
    """The step itself; the form for a device records the step once and then replays it with one launch.

    Args:
        step: a function of backend arrays and numbers, all positional. Everything on the host that changes from step to
            step must be an argument.
        dtype: the dtype of the 0-d arrays that replace numbers on a device.
        undo: called after a failed recording, to undo the step's side effects on the host.
        place: called before each step; if it returns another object, arrays have moved and the step is recorded again.

    Returns:
        A function of the same arguments. Its next call overwrites the arrays that it returns.
    """
    return step


@accelerated
def batch_slices(samples: int, elements: int) -> list[slice]:
    """The slices in which a batch goes through a network: here the whole batch at once.

    Args:
        samples: the batch's number of samples.
        elements: the batch's number of elements.
    """
    return [slice(0, samples)]
