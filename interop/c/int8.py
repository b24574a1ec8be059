"""Weights of one byte: whole numbers from -127 to 127 and a scale for each output channel."""

import copy
from typing import Any, TypeVar

import numpy as np

from ...backend import to_numpy
from ...layers import Layer
from ...layers.conv import Convolution
from ...layers.dense import Dense
from ...layers.embedding import Embedding
from ...layers.mapped_conv import MappedConv2D
from ...layers.modern.conv_transpose import ConvTranspose2D
from ...layers.recurrent import Recurrent

KEYS = ("W", "W_x", "W_h")
QUANTISED = (Dense, Convolution, Embedding, MappedConv2D, Recurrent)

Model = TypeVar("Model", bound=Layer)


def rounded(channels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """q and the scales s[d] such that q[d] s[d] approximates channels[d], with |q| <= 127."""
    largest = np.abs(channels).max(tuple(range(1, channels.ndim)), keepdims=True)
    scale = np.where(largest > 0, largest / 127, 1).astype("float32")
    return np.rint(channels / scale).astype("int8"), scale.ravel()


def by_channel(layer: Any, key: str) -> np.ndarray:
    """A layer's matrix or kernels on the host, as (output channels, ...)."""
    if isinstance(layer, MappedConv2D):
        return to_numpy(layer.kernels)
    W = to_numpy(layer.params[key])
    if not isinstance(layer, ConvTranspose2D):
        return W
    G = layer.groups  # W is (C, D/G, k1, k2), with G groups of C/G
    return W.reshape(G, -1, *W.shape[1:]).swapaxes(1, 2).reshape(layer.out_channels, -1, *W.shape[2:])


def _of_channels(layer: Any, K: np.ndarray) -> np.ndarray:
    """The inverse of :func:`by_channel`, to the parameter."""
    if isinstance(layer, MappedConv2D):
        return np.stack([K[pair] for pair in layer.pairs])
    if not isinstance(layer, ConvTranspose2D):
        return K
    return K.reshape(layer.groups, -1, *K.shape[1:]).swapaxes(1, 2).reshape(layer.params["W"].shape)


def quantised(model: Model) -> Model:
    """A copy of the network that computes with the weights that ``export(model, path, int8=True)`` writes.

    The matrices and kernels of Dense, Embedding, convolutions and recurrent layers become q s, with whole numbers q
    from -127 to 127 and s = max |W| / 127 for each output channel. Biases and normalisations do not change.

    >>> from xpnn.interop import c
    >>> model, x = MLP((4, 3), rng=0), asarray(np.ones((2, 4)))
    >>> bool(abs(c.quantised(model)(x) - model(x)).max() < 0.01)
    True
    """
    model = copy.deepcopy(model)
    for _, layer in model.leaves():
        for key in KEYS if isinstance(layer, QUANTISED) else ():
            if key in layer.params:
                q, scale = rounded(by_channel(layer, key))
                layer.params[key] = _of_channels(layer, q * scale.reshape(-1, *[1] * (q.ndim - 1)))
    return model
