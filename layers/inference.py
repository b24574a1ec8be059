"""Whether a forward pass is one of training or of inference."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

inference_mode: ContextVar[bool] = ContextVar("inference", default=False)


@contextmanager
def inference() -> Iterator[None]:
    """Every ``forward`` within is that of inference: dropout is off, batch normalisation takes its running estimates.

    So the function that a trained network is can be differentiated, for its input or for layers that are trained on.

    Example:
        >>> with inference():
        ...     logits, backward = model.forward(x)
        >>> saliency = backward(dlogits)
    """
    token = inference_mode.set(True)
    try:
        yield
    finally:
        inference_mode.reset(token)


def inferring() -> bool:
    """Whether a forward pass is one of inference: within :func:`inference`, or of ``layer(x)``."""
    return inference_mode.get()
