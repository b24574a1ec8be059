"""Whether a forward pass is for training or for inference."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

inference_mode: ContextVar[bool | str] = ContextVar("inference", default=False)


@contextmanager
def inference() -> Iterator[None]:
    """Within this block ``forward`` infers: dropout is off, batch normalisation uses its running estimates.

    It serves to differentiate a trained network, for its input or to fine-tune some of its layers.

    >>> model, x = Sequential(Dense(4, 3, rng=0), Dropout(0.5)), asarray(np.ones((2, 4)))
    >>> with inference():
    ...     logits, backward = model.forward(x)
    >>> backward(logits).shape
    (2, 4)
    """
    yield from _within(True)


@contextmanager
def rehearsal() -> Iterator[None]:
    """As :func:`inference`, but ``forward`` refuses what it would refuse in training."""
    yield from _within("rehearsal")


def _within(mode: bool | str) -> Iterator[None]:
    token = inference_mode.set(mode)
    try:
        yield
    finally:
        inference_mode.reset(token)


def inferring() -> bool:
    """Whether a forward pass infers: inside of :func:`inference`, or of ``layer(x)``.

    >>> inferring()
    False
    """
    return bool(inference_mode.get())


def rehearsing() -> bool:
    """Whether a forward pass is to refuse what training would: inside of :func:`rehearsal`."""
    return inference_mode.get() == "rehearsal"


def output_of(owner: object, result: Any) -> Any:
    """What a ``forward`` returns besides backward; TypeError if it does not return the two."""
    if not isinstance(result, tuple) or len(result) != 2 or not callable(result[1]):
        raise TypeError(f"{owner}: expected forward to return (y, backward), got {type(result).__name__}")
    return result[0]
