"""The source document's DNN: any number of fully connected layers of any width."""

import itertools
from collections.abc import Sequence

import numpy as np

from ..backend import Rng
from ..layers import Dense, Layer, ReLU
from .sequential import Sequential


class MLP(Sequential):
    """Dense layers of the given sizes with an activation after each but the last.

    Args:
        sizes: n_1, ..., n_L: features of the input, of each hidden layer, of the output.
        activation: after each hidden layer; ReLU by default.
        output_activation: after the last layer; none by default, since losses take logits.
        rng: seed or generator of the initial weights.
        dtype: of the parameters and the input.

    Shapes: input (N, n_1), output (N, n_L).

    Raises:
        ValueError: there are fewer than two sizes, or one is not a whole number of at least 1.
        TypeError: the sizes are not one sequence, or an activation is not a layer.

    Source: the source document, "DNN".

    >>> MLP((2, 4, 1), activation=LeakyReLU(0.01), output_activation=LeakyReLU(0.01))
    MLP(Dense(2, 4), LeakyReLU(0.01), Dense(4, 1), LeakyReLU(0.01))
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: Layer | None = None,
        output_activation: Layer | None = None,
        *,
        rng: Rng = None,
        dtype: str = "float32",
    ) -> None:
        if isinstance(sizes, int):
            raise TypeError("MLP: expected the sizes as one sequence, as in MLP((784, 128, 10))")
        sizes = tuple(sizes)
        if len(sizes) < 2:
            raise ValueError(f"MLP: expected at least two sizes, got {sizes}")
        rng = np.random.default_rng(rng)
        activation = ReLU() if activation is None else activation
        layers: list[Layer] = []
        for fan_in, fan_out in itertools.pairwise(sizes):
            layers += [Dense(fan_in, fan_out, rng=rng, dtype=dtype), activation]
        layers[-1:] = [] if output_activation is None else [output_activation]
        super().__init__(*layers, input_shape=sizes[:1])
