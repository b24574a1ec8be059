"""The forms for CuPy by the names of their equations."""

from collections.abc import Callable
from typing import Any

from ..shared.batchnorm import batch_norm, fixed_norm
from .activations import dense, dense_activated, leaky_relu, relu, scaled_tanh, sigmoid, tanh
from .capture import captured
from .convolution import conv2d
from .embedding import embedding
from .losses import softmax_cross_entropy
from .optimizers import adam, sgd
from .pooling import max_pool, mean_pool
from .recurrent import through_time
from .stream import prefetch

FORMS: dict[str, Callable[..., Any]] = {
    form.__name__: form
    for form in (
        *(conv2d, max_pool, mean_pool, dense, dense_activated, sigmoid, tanh, scaled_tanh, relu, leaky_relu),
        *(embedding, batch_norm, fixed_norm, through_time, softmax_cross_entropy),
        *(sgd, adam, captured, prefetch),
    )
}
