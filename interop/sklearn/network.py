"""Build the network that an estimator's settings describe."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ... import training
from ...layers import Flatten, Layer
from ...layers.settings import positive
from ...models import MLP, Sequential
from .settings import Settings


def network_of(settings: Settings, X: Any, lengths: Any, outputs: int, rng: np.random.Generator) -> Layer:
    """A new network with this number of outputs.

    Args:
        settings: the estimator's settings.
        X, lengths: a sample, and the lengths of all sequences or None.
        outputs: the number of outputs.
        rng: generator of the initial weights.

    Raises:
        TypeError, ValueError: the settings give no network, or one with another number of outputs.
    """
    network, shape, name = settings._setting("network"), X.shape[1:], type(settings).__name__
    options: dict[str, Any] = {"rng": rng, "dtype": X.dtype.name}
    if isinstance(network, Layer):
        raise TypeError(
            f"{name}: expected the sizes of hidden layers or a function that builds a network, got a network: "
            "lambda shape, outputs, **options: copy.deepcopy(network) gives each fit a copy"
        )
    if not callable(network):
        hidden = tuple(network) if isinstance(network, Iterable) else (network,)
        for size in hidden:
            positive(hidden_layer_sizes=size)
        mlp = MLP((math.prod(shape), *hidden, outputs), settings._activation(), **options)
        return mlp if len(shape) == 1 else Sequential(Flatten(), *mlp)
    model: Layer = network(shape, outputs, **options)
    got = training.predict(model, X, lengths=None if lengths is None else lengths[:1]).shape
    if got != (1, outputs):
        raise ValueError(f"{name}: expected a network whose output for a sample is (1, {outputs}), got {got}")
    return model
