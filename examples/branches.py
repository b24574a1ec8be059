"""A network that branches
=======================

A network that branches, as a Graph, trained on scikit-learn's handwritten digits: python examples/branches.py

Convolutions with windows of several sizes read the picture, and their outputs are concatenated with the picture itself,
after Szegedy et al., "Going deeper with convolutions", 2015.
"""

import sys

import numpy as np

import xpnn as nn


def look(in_channels: int, size: int, rng: np.random.Generator) -> nn.Sequential:
    """A convolution with a window of this size and eight output maps."""
    return nn.Sequential(nn.Conv2D(in_channels, 8, size, padding=size // 2, rng=rng), nn.ReLU())


def build(seed: int = 0) -> nn.Graph:
    """The network. A node reads the one above it unless it names its inputs."""
    rng = np.random.default_rng(seed)
    return nn.Graph(
        {
            "point": (look(1, 1, rng), "image"),
            "near": (look(1, 3, rng), "image"),
            "far": (look(1, 5, rng), "image"),
            "seen": (nn.Concat(), "point", "near", "far", "image"),  # 25 channels
            "half": nn.MaxPool2D(2),
            "change": look(25, 3, rng),
            "shortcut": (nn.Conv2D(25, 8, 1, rng=rng), "half"),
            "sum": (nn.Add(), "change", "shortcut"),
            "class": nn.Sequential(nn.Flatten(), nn.Dense(128, 10, rng=rng)),
        },
        inputs="image",
        input_shape=(1, 8, 8),
    )


def train(model: nn.Graph, epochs: int = 8) -> nn.Score:
    """Train on the digits' training part; return loss and accuracy on their test part."""
    data = nn.load_images("digits")
    x_train, x_test = (x.astype(np.float32) / 255 for x in (data.x_train, data.x_test))
    nn.fit(model, x_train, data.y_train, optimizer=nn.Adam(3e-3), epochs=epochs, validation=(x_test, data.y_test))
    return nn.evaluate(model, x_test, data.y_test)


if __name__ == "__main__":
    model = build()
    print(model.summary())
    print(f"test accuracy {train(model, 2 if '--short' in sys.argv else 8).accuracy:.4f}")
