"""A network's outputs for host data, and their gradients, computed without changing the network."""

from collections.abc import Iterator

import numpy as np

from ..backend import Array, asarray, to_numpy, xp
from ..layers import Layer, Softmax
from ..layers.parameters import Gradients
from ..models import Sequential

_BATCH = 256  # samples at a time


def inputs(model: Layer, x: np.ndarray) -> Array:
    """Host data on the backend; floating-point and boolean data in the model's dtype."""
    return asarray(x, model.dtype if x.dtype.kind in "bf" else None)


def probabilities(model: Layer, x: np.ndarray) -> np.ndarray:
    """A classifier's probabilities (N, K): the softmax of its outputs, unless these are probabilities already.

    One output is the logit of the second of two classes.

    Raises:
        ValueError: the outputs are not (N, K).
    """
    z = np.concatenate([to_numpy(model(inputs(model, x[i : i + _BATCH]))) for i in range(0, len(x), _BATCH)])
    if z.ndim != 2:
        raise ValueError(f"expected a classifier with outputs (N, classes), got outputs of shape {z.shape}")
    z = z.astype(np.float64)
    if z.shape[1] == 1:
        z = np.concatenate([np.zeros_like(z), z], axis=1)
    elif z.min() >= 0 and np.allclose(z.sum(1), 1, atol=1e-5):
        return z
    return to_numpy(Softmax()(asarray(z, "float64")))


def one_by_one(model: Layer, prefix: str = "") -> Iterator[tuple[str, Layer]]:
    """(place and class, layer) of the layers that run one after the other, also within nested Sequentials."""
    for index, layer in enumerate(model.layers if isinstance(model, Sequential) else [model]):
        if isinstance(layer, Sequential):
            yield from one_by_one(layer, f"{prefix}{index}.")
        else:
            yield f"{prefix}{index} {type(layer).__name__}", layer


def with_own_gradients(model: Layer) -> Layer:
    """The model, with a backward that adds to separate gradients, not to those that training uses."""
    return model.twin(lambda leaf: Gradients({key: xp.zeros_like(value) for key, value in leaf.params.items()}))


def gradient_of_logits(y: Array, labels: np.ndarray | None) -> tuple[Array, np.ndarray]:
    """d(sum over the samples of one logit each)/dy, and the logits' indices: the labels, or each sample's largest.

    For outputs (N, T, K) the logits are the last step's.

    Raises:
        ValueError: a label is not from 0 to K - 1, or there is not one for each sample.
    """
    last = y.reshape(len(y), -1, y.shape[-1])[:, -1]
    K = last.shape[1]
    labels = to_numpy(last).argmax(1) if labels is None else np.asarray(labels)
    if labels.shape != (len(y),) or labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= K:
        raise ValueError(f"expected {len(y)} labels from 0 to {K - 1}, got {labels!r}")
    dy = np.zeros((*y.shape[:-1], K), y.dtype)
    dy.reshape(len(y), -1, K)[np.arange(len(y)), -1, labels] = 1
    return asarray(dy, y.dtype), labels
