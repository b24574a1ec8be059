"""Initial weights, drawn on the host so that one seed starts the same run on every backend."""

import numpy as np

from ..backend import Rng


def he_uniform(rng: Rng, shape: tuple[int, ...], fan_in: int, dtype: str) -> np.ndarray:
    """Uniform in ±sqrt(6 / fan_in): variance 2 / fan_in keeps the signal's size through ReLU.

    Source: He, Zhang, Ren, Sun, "Delving deep into rectifiers", 2015.
    """
    bound = (6 / fan_in) ** 0.5
    return np.random.default_rng(rng).uniform(-bound, bound, shape).astype(dtype)


def orthogonal(rng: Rng, size: int, dtype: str) -> np.ndarray:
    """A random orthogonal (size, size) matrix: repeated multiplication neither blows up nor dies out.

    Source: Saxe, McClelland, Ganguli, "Exact solutions to the nonlinear dynamics of learning", 2014.
    """
    q, r = np.linalg.qr(np.random.default_rng(rng).standard_normal((size, size)))
    return (q * np.sign(np.diagonal(r))).astype(dtype)  # the sign makes the draw uniform over all rotations
