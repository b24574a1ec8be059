"""The forms for NumPy by the names of their equations."""

from collections.abc import Callable
from typing import Any

from ..shared.batchnorm import batch_norm, fixed_norm
from ..shared.convolution import conv2d
from ..shared.recurrent import through_time
from .activations import leaky_relu, relu, tanh
from .batches import prefetch
from .dense import dense
from .embedding import embedding
from .losses import softmax_cross_entropy
from .optimizers import adam, euclidean_norm, sgd
from .pooling import max_pool, mean_pool
from .slices import in_slices
from .threads import batch_slices

FORMS: dict[str, Callable[..., Any]] = {
    form.__name__: form
    for form in (
        *(conv2d, max_pool, mean_pool, dense, tanh, relu, leaky_relu, embedding, through_time),
        *(batch_norm, fixed_norm, softmax_cross_entropy),
        *(sgd, adam, euclidean_norm, batch_slices, in_slices, prefetch),
    )
}
