"""Whether a forward pass is for training or for inference."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

inference_mode: ContextVar[bool | str] = ContextVar("inference", default=False)


@contextmanager
def inference() -> Iterator[None]:
    """Within this block ``forward`` infers: dropout is off, and batch normalisation uses its running estimates.

    Use it to differentiate a trained network: with respect to its input, or to fine-tune some of its layers.

    >>> model, x = Sequential(Dense(4, 3, rng=0), Dropout(0.5)), asarray(np.ones((2, 4)))
    >>> with inference():
    ...     logits, backward = model.forward(x)
    >>> backward(logits).shape
    (2, 4)
    """
    yield from _within(True)


@contextmanager
def rehearsal() -> Iterator[None]:
    """Like :func:`inference`, but ``forward`` raises the errors that it would raise in training."""
    yield from _within("rehearsal")


def _within(mode: bool | str) -> Iterator[None]:
    token = inference_mode.set(mode)
    try:
        yield
    finally:
        inference_mode.reset(token)


def inferring() -> bool:
    """Whether a forward pass infers, as it does inside :func:`inference` and ``layer(x)``.

    >>> inferring()
    False
    """
    return bool(inference_mode.get())


def rehearsing() -> bool:
    """Whether a forward pass must raise the errors of training, as it does inside :func:`rehearsal`."""
    return inference_mode.get() == "rehearsal"


def output_of(owner: object, result: Any) -> Any:
    """The output in the (output, backward) that a ``forward`` returned; TypeError if it returned anything else."""
    if not isinstance(result, tuple) or len(result) != 2 or not callable(result[1]):
        raise TypeError(f"{owner}: expected forward to return (y, backward), got {type(result).__name__}")
    return result[0]
