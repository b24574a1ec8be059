"""Training steps that launch every kernel of backend/cuda/*.cu at awkward sizes, for a GPU's own checks:

    NN_BACKEND=cupy compute-sanitizer --tool racecheck python tests/every_kernel.py

and with memcheck, initcheck, synccheck.
"""

from collections.abc import Iterator
from unittest.mock import patch

import numpy as np

import xpnn as nn

SHAPES = {"MLP": (20,), "RNN": (5, 7), "images": (1, 28, 28), "wide": (3, 16, 16), "odd": (4, 16, 13)}
"""Of a sample."""


def networks(dtype: str) -> Iterator[tuple[str, nn.Layer]]:
    """Each with the name of its samples' shape."""
    o = {"rng": 0, "dtype": dtype}
    yield "MLP", nn.MLP((20, 65, 10), **o)
    for units in (40, 128, 192):
        yield "RNN", nn.RNNClassifier(7, units, 10, **o)
    yield "images", nn.LeNet5(activation=nn.Tanh(), pool=nn.AvgPool2D(2), **o)
    yield "images", nn.LeNet5(**o)
    yield "images", nn.LeNet5(variant="1998", **o)
    wide = [nn.Conv2D(3, 32, 3, padding=1, **o), nn.ReLU(), nn.Conv2D(32, 40, 3, padding=1, **o), nn.MaxPool2D(2)]
    yield "wide", nn.Sequential(*wide, nn.Flatten(), nn.Dense(40 * 8 * 8, 10, **o))
    strided = [nn.Conv2D(4, 6, 3, stride=2, groups=2, **o), nn.Sigmoid()]
    dilated = [nn.Conv2D(6, 9, (1, 3), padding=1, dilation=2, **o), nn.LeakyReLU(), nn.MaxPool2D(3, stride=2)]
    yield "odd", nn.Sequential(*strided, *dilated, nn.Flatten(), nn.Dense(9 * 2 * 2, 10, **o))


def train(model: nn.Layer, shape: tuple[int, ...], batch: int, optimizer: nn.Optimizer, dtype: str) -> float:
    """The loss of one step, which is not captured."""
    rng = np.random.default_rng(0)
    x, y = nn.asarray(rng.standard_normal((batch, *shape)), dtype), nn.asarray(rng.integers(0, 10, batch))
    logits, backward = model.forward(x)
    value, loss_backward = nn.SoftmaxCrossEntropy().forward(logits, y)
    backward(loss_backward())
    optimizer.step(model)
    return float(value)


def main() -> None:
    for dtype in ("float32", "float64"):
        for name, model in networks(dtype):
            losses = [train(model, SHAPES[name], 3, nn.SGD(0.01, momentum=0.9), dtype)]
            with patch("xpnn.backend.cuda.convolution._WIDE", 0):  # as for far larger images
                losses.append(train(model, SHAPES[name], 37, nn.Adam(0.001), dtype))
            print(dtype, name, *(f"{loss:.6f}" for loss in losses), flush=True)


if __name__ == "__main__":
    main()
