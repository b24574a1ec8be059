"""The seed's CNN: LeNet-5."""

import numpy as np

from ..backend import Rng
from ..layers import Conv2D, Dense, Flatten, Layer, MaxPool2D, ReLU
from .sequential import Sequential


class LeNet5(Sequential):
    """LeNet-5 in today's usual form: full connections in C3, a linear output layer whose softmax is in the loss.

    ::

        C1 6@5x5 - S2 2x2 - C3 16@5x5 - S4 2x2 - C5 120 - F6 84 - output

    The activation follows C1, C3, C5 and F6.

    Args:
        image_size: 28 (C1 then pads by 2, as MNIST is shown to LeNet-5) or 32.
        num_classes: features of the output.
        in_channels: of the image.
        activation: ReLU by default; ``Tanh()`` is nearer to the original.
        pool: MaxPool2D(2) by default; ``AvgPool2D(2)`` is nearer to the original.
        rng: seed or generator of the initial weights.
        dtype: of parameters and input.

    Shapes:
        input (N, in_channels, image_size, image_size), output (N, num_classes).

    Source: the seed, "CNN"; LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document
    recognition", 1998.
    """

    def __init__(
        self,
        image_size: int = 28,
        num_classes: int = 10,
        in_channels: int = 1,
        activation: Layer | None = None,
        pool: Layer | None = None,
        *,
        rng: Rng = None,
        dtype: str = "float32",
    ) -> None:
        if image_size not in (28, 32):
            raise ValueError(f"LeNet5: expected image_size 28 or 32, got {image_size}")
        rng = np.random.default_rng(rng)
        f = ReLU() if activation is None else activation
        S = MaxPool2D(2) if pool is None else pool
        padding = (32 - image_size) // 2
        super().__init__(
            *(Conv2D(in_channels, 6, 5, padding=padding, rng=rng, dtype=dtype), f, S),  # C1, S2
            *(Conv2D(6, 16, 5, rng=rng, dtype=dtype), f, S),  # C3, S4
            *(Conv2D(16, 120, 5, rng=rng, dtype=dtype), f, Flatten()),  # C5
            *(Dense(120, 84, rng=rng, dtype=dtype), f),  # F6
            Dense(84, num_classes, rng=rng, dtype=dtype),
            input_shape=(in_channels, image_size, image_size),
        )
