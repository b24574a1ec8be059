"""The source document's CNN: LeNet-5 in its modern and its published form."""

import numpy as np

from ..backend import Rng
from ..layers import RBF, Conv2D, Dense, Flatten, Layer, MappedConv2D, MaxPool2D, ReLU, ScaledTanh, Subsample2D
from ..layers.rbf import paley_codes
from .sequential import Sequential

# Table I: for each map of C3, the maps of S2 that it reads
_C3 = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),  # three neighbours, in a ring
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),  # four neighbours
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),  # two pairs
    (0, 1, 2, 3, 4, 5),
)


class LeNet5(Sequential):
    """LeNet-5, in its modern form or as published::

        C1 6@5x5 - S2 2x2 - C3 16@5x5 - S4 2x2 - C5 120 - F6 84 - output

    ``variant="modern"``: full connections in C3, pooling without parameters, and a linear output layer (the softmax is
    in the loss). The activation follows C1, C3, C5 and F6.

    ``variant="1998"``: the paper's network, with 156 + 12 + 1,516 + 32 + 48,120 + 10,164 = 60,000 parameters:

    ============  =============================================================================  ====================
    C1, C5        :class:`Conv2D`                                                                II.B
    S2, S4        :class:`Subsample2D`, one coefficient and one bias per map                     II.B
    C3            :class:`MappedConv2D` with the connections of Table I                          II.B
    squashing     :class:`ScaledTanh`, 1.7159 tanh(2x/3), after each of C1, S2, C3, S4, C5, F6   II.B eq. 5-6, app. A
    output        :class:`RBF`, minus the squared distance of F6 to each class's fixed ±1 code   II.B eq. 7
    init          all weights and biases uniform in ±2.4/F, F the fan-in of their unit           appendix A
    loss          :class:`RBFLoss`, or :class:`SoftmaxCrossEntropy` without the rubbish class    II.C eq. 9
    ============  =============================================================================  ====================

    It differs from the paper in two points. First, the paper's codes are 7x12 pictures of the characters, which help
    with strings of characters but not with single digits; it names random and error-correcting codes as alternatives
    (II.B). Here the codes are error-correcting: 83 rows of Paley's Hadamard matrix of order 84, any two of which differ
    in 42 elements. Second, the paper trains by the stochastic diagonal Levenberg-Marquardt method (appendix C), while
    here any optimiser can be used. The paper's input has -0.1 for the background and 1.175 for the ink (II.B).

    Args:
        image_size: 32, or 28 as in MNIST (C1 then pads by 2 with zeros).
        num_classes: features of the output; at most 83 for "1998".
        in_channels: channels of the image.
        activation, pool: for "modern" only; by default ReLU() and MaxPool2D(2).
        variant: "modern" or "1998".
        rng: seed or generator of the initial weights.
        dtype: of the parameters and the input.

    Shapes: input (N, in_channels, image_size, image_size), output (N, num_classes).

    Raises:
        ValueError: another image_size or variant; or, for "1998", too many classes, an activation or a pool.

    Source: LeCun et al., "Gradient-based learning applied to document recognition", 1998.

    >>> LeNet5(variant="1998", rng=0).flat_params.size
    60000
    """

    def __init__(
        self,
        image_size: int = 28,
        num_classes: int = 10,
        in_channels: int = 1,
        activation: Layer | None = None,
        pool: Layer | None = None,
        *,
        variant: str = "modern",
        rng: Rng = None,
        dtype: str = "float32",
    ) -> None:
        if image_size not in (28, 32):
            raise ValueError(f"LeNet5: expected image_size 28 or 32, got {image_size}")
        if variant not in ("modern", "1998"):
            raise ValueError(f"LeNet5: expected variant 'modern' or '1998', got {variant!r}")
        rng, padding = np.random.default_rng(rng), (32 - image_size) // 2
        if variant == "1998":
            if activation is not None or pool is not None:
                raise ValueError("LeNet5: expected no activation and no pool for variant '1998', which has the paper's")
            layers = _published(in_channels, num_classes, padding, rng, dtype)
        else:
            f, S = activation or ReLU(), pool or MaxPool2D(2)
            layers = [
                *(Conv2D(in_channels, 6, 5, padding=padding, rng=rng, dtype=dtype), f, S),  # C1, S2
                *(Conv2D(6, 16, 5, rng=rng, dtype=dtype), f, S),  # C3, S4
                *(Conv2D(16, 120, 5, rng=rng, dtype=dtype), f, Flatten()),  # C5
                *(Dense(120, 84, rng=rng, dtype=dtype), f),  # F6
                Dense(84, num_classes, rng=rng, dtype=dtype),
            ]
        super().__init__(*layers, input_shape=(in_channels, image_size, image_size))


def _published(in_channels: int, num_classes: int, padding: int, rng: "np.random.Generator", dtype: str) -> list[Layer]:
    """The layers of 1998."""
    C1 = Conv2D(in_channels, 6, 5, padding=padding, dtype=dtype)
    S2, S4 = Subsample2D(6, dtype=dtype), Subsample2D(16, dtype=dtype)
    C3, C5 = MappedConv2D(6, _C3, 5, dtype=dtype), Conv2D(16, 120, 5, dtype=dtype)
    F6 = Dense(120, 84, dtype=dtype)
    reads = [len(maps) for maps in _C3]  # in C3 the fan-in depends on the map
    fan_ins: tuple[tuple[Layer, float | np.ndarray, float | np.ndarray], ...] = (  # of W, of b
        *((C1, 25 * in_channels, 25 * in_channels), (S2, 4, 4)),
        *((C3, 25 * np.repeat(reads, reads)[:, None, None], 25 * np.array(reads)), (S4, 4, 4)),
        *((C5, 400, 400), (F6, 120, 120)),
    )
    for layer, W, b in fan_ins:
        for key, fan_in in (("W", W), ("b", b)):
            layer.params[key] = rng.uniform(-2.4 / fan_in, 2.4 / fan_in, layer.params[key].shape)
    f = ScaledTanh()
    return [C1, f, S2, f, C3, f, S4, f, C5, f, Flatten(), F6, f, RBF(paley_codes(num_classes), dtype=dtype)]
