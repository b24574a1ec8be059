"""The optimisers' updates by BLAS, in blocks that stay in the cache."""

from typing import Any

import numpy as np

from ..select import Array
from .blas import axpby
from .memory import cache_blocks
from .numpy_blas import in_turn


def sgd(p: Array, g: Array, v: Array | None, lr: Any, momentum: float, nesterov: bool, weight_decay: float) -> None:
    """Each operation reads and writes a vector once."""
    for block in cache_blocks(p.size):
        params, grads = p[block], g[block]
        if weight_decay:
            axpby(weight_decay, params, 1, grads)  # g = dE/dp + weight_decay p
        direction = grads
        if v is not None:
            velocity = v[block]
            axpby(1, grads, momentum, velocity)  # v = momentum v + g
            if nesterov:
                axpby(momentum, velocity, 1, grads)
            else:
                direction = velocity
        axpby(-lr, direction, 1, params)  # p = p - lr v
        grads.fill(0)


def adam(
    p: Array, g: Array, m: Array, v: Array, scalars: tuple[Any, ...], betas: tuple[float, float], weight_decay: float
) -> None:
    """After its last use the gradient serves as scratch space; the last operation also does AdamW's weight decay."""
    (rate, eps, shrink), (beta1, beta2) = scalars, betas
    for block in cache_blocks(p.size):
        params, grads, mean, square = p[block], g[block], m[block], v[block]
        if weight_decay:
            axpby(weight_decay, params, 1, grads)
        axpby(1 - beta1, grads, beta1, mean)
        grads *= grads
        axpby(1 - beta2, grads, beta2, square)
        np.sqrt(square, out=grads)
        grads += eps
        np.divide(mean, grads, out=grads)
        axpby(-rate, grads, shrink, params)
        grads.fill(0)


def euclidean_norm(g: Array) -> Array:
    """The product is computed by in_turn, since BLAS may divide it among threads."""
    norm: Array = np.sqrt(in_turn(np.matmul, g, g))
    return norm
