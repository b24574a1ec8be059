"""A layer of your own, in ten lines
=================================

Ten lines of code, checked against central differences and used: python examples/own_layer.py.
"""

import sys

import numpy as np

import xpnn as nn
from xpnn import xp


class Swish(nn.Layer):
    """a = z s(beta z), where s is the logistic function and each feature learns its slope beta.

    ::

        dE/dz     = delta (s + beta z s (1 - s))
        dE/dbeta  = sum over samples of  delta z^2 s (1 - s)

    Source: Ramachandran, Zoph, Le, "Searching for activation functions", 2017.
    """

    def __init__(self, features: int, dtype: str = "float32") -> None:
        super().__init__(beta=np.ones(features, dtype))  # and grads["beta"], of the same shape

    def forward(self, x, needs_dx=True):
        beta = self.params["beta"]  # read in each pass, since a network moves its layers' parameters into one vector
        s = 0.5 * xp.tanh(0.5 * beta * x) + 0.5

        def backward(delta):
            self.grads["beta"] += (delta * x * x * s * (1 - s)).sum(0)  # adds, as every backward does
            return delta * (s + beta * x * s * (1 - s))

        return x * s, backward


def build(seed: int = 0) -> nn.Sequential:
    rng = np.random.default_rng(seed)
    return nn.Sequential(nn.Dense(64, 32, rng=rng), Swish(32), nn.Dense(32, 10, rng=rng), input_shape=(64,))


def check(layer: nn.Layer, features: int) -> nn.GradientReport:
    """Backward against differences of forward."""
    return nn.gradcheck(layer, np.random.default_rng(1).standard_normal((5, features)))


def train(model: nn.Sequential, epochs: int = 20) -> float:
    """Train, and return the accuracy on the digits' test part."""
    data = nn.load_images("digits")
    x, x_test = (images.reshape(len(images), -1).astype(np.float32) / 255 for images in (data.x_train, data.x_test))
    nn.fit(model, x, data.y_train, optimizer=nn.Adam(0.003), epochs=epochs, verbose=False)
    return nn.evaluate(model, x_test, data.y_test).accuracy or 0.0


if __name__ == "__main__":
    print(check(Swish(4), 4), end="\n\n")
    model = build()
    print(check(model, 64), end="\n\n")
    print(f"test accuracy {train(model, 4 if '--short' in sys.argv else 20):.4f}")
    print(f"beta, initially 1: {np.array2string(nn.to_numpy(model[1].params['beta']), precision=2)}")
