"""Fashion-MNIST
=============

LeNet-5 on 28x28 pictures of clothes: python examples/fashion_mnist.py. The data come from Debian's package
dataset-fashion-mnist if it is installed, else they are downloaded. --short uses a few of them, or digits if there are
none.
"""

import sys

import numpy as np

import xpnn as nn


def load(short: bool) -> nn.ImageData:
    """The data set; a short run may use the digits instead."""
    try:
        return nn.load_images("fashion-mnist")
    except (OSError, ImportError):
        if not short:
            raise
        return nn.load_images("digits")


def main(short: bool = False) -> float:
    """Train, and return the test accuracy."""
    data, most = load(short), 3_000 if short else None
    x, x_test = (images[:most].astype(np.float32) / 255 for images in (data.x_train, data.x_test))
    y, y_test = data.y_train[:most], data.y_test[:most]
    model = nn.LeNet5(rng=0) if x.shape[2] == 28 else nn.Sequential(nn.Flatten(), nn.MLP((64, 32, 10), rng=0))
    epochs = 3 if short else 12
    optimizer = nn.AdamW(nn.CosineDecay(0.002, epochs * -(-len(x) // 64)))
    nn.fit(model, x, y, optimizer=optimizer, epochs=epochs, validation=(x_test, y_test), verbose=not short)
    accuracy = nn.evaluate(model, x_test, y_test).accuracy or 0.0
    print(f"{data.name}, {len(x):,} pictures, {epochs} epochs: test accuracy {accuracy:.4f}")
    try:
        nn.plots.confusion_matrix(y_test, nn.predict(model, x_test).argmax(1), classes=data.classes)
    except ImportError as error:
        print(error)
    return accuracy


if __name__ == "__main__":
    main("--short" in sys.argv)
