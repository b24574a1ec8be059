"""A small ResNet
==============

A small ResNet, trained on scikit-learn's handwritten digits (8x8 pixels): python examples/resnet.py

After He, Zhang, Ren, Sun, "Deep residual learning for image recognition", 2016.
"""

import sys

import numpy as np

import xpnn as nn


def block(in_channels: int, out_channels: int, stride: int, rng: np.random.Generator) -> nn.Sequential:
    """conv - norm - ReLU - conv - norm beside a shortcut, then ReLU."""
    body = nn.Sequential(
        nn.Conv2D(in_channels, out_channels, 3, stride=stride, padding=1, rng=rng),
        nn.BatchNorm2D(out_channels),
        nn.ReLU(),
        nn.Conv2D(out_channels, out_channels, 3, padding=1, rng=rng),
        nn.BatchNorm2D(out_channels),
    )
    shortcut = None
    if stride != 1 or in_channels != out_channels:
        shortcut = nn.Sequential(
            nn.Conv2D(in_channels, out_channels, 1, stride=stride, rng=rng), nn.BatchNorm2D(out_channels)
        )
    return nn.Sequential(nn.Residual(body, shortcut), nn.ReLU())


def build(seed: int = 0) -> nn.Sequential:
    """8 weight layers: a convolution, three blocks at 8x8, 4x4 and 2x2 pixels, the classifier."""
    rng = np.random.default_rng(seed)
    return nn.Sequential(
        nn.Conv2D(1, 16, 3, padding=1, rng=rng),
        nn.BatchNorm2D(16),
        nn.ReLU(),
        block(16, 16, 1, rng),
        block(16, 32, 2, rng),
        block(32, 64, 2, rng),
        nn.GlobalAvgPool2D(),
        nn.Dense(64, 10, rng=rng),
        input_shape=(1, 8, 8),
    )


def train(model: nn.Sequential, epochs: int = 10, batch_size: int = 64) -> nn.Score:
    """Train on the digits' training part; return loss and accuracy on their test part."""
    data = nn.load_images("digits")
    x_train, x_test = (x.astype(np.float32) / 255 for x in (data.x_train, data.x_test))
    steps = epochs * -(-len(x_train) // batch_size)
    optimizer = nn.SGD(nn.CosineDecay(0.1, steps), momentum=0.9, weight_decay=1e-4)
    test = (x_test, data.y_test)
    nn.fit(model, x_train, data.y_train, optimizer=optimizer, epochs=epochs, batch_size=batch_size, validation=test)
    return nn.evaluate(model, *test)


if __name__ == "__main__":
    model = build()
    print(f"{model.flat_params.size:,} parameters")
    print(f"test accuracy {train(model, 2 if '--short' in sys.argv else 10).accuracy:.4f}")
