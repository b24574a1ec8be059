"""Reading a saliency map
======================

Which pixels decide? The gradient of the largest logit with respect to the input says how much each pixel changes it:
python examples/saliency.py. It is training's backward pass, begun at the logit and followed to the input.
"""

import sys

import numpy as np

import xpnn as nn


def main(short: bool = False) -> np.ndarray:
    """Train, and return the gradient of one digit's largest logit with respect to its pixels."""
    data = nn.load_images("digits")
    x, x_test = (images.astype(np.float32) / 255 for images in (data.x_train, data.x_test))
    model = nn.Sequential(nn.Conv2D(1, 8, 3, padding=1, rng=0), nn.Tanh(), nn.Flatten(), nn.Dense(512, 10, rng=0))
    nn.fit(model, x, data.y_train, optimizer=nn.Adam(0.003), epochs=3 if short else 10, verbose=False)
    logits, backward = model.forward(nn.asarray(x_test[:1]))
    winner = int(nn.to_numpy(logits).argmax())
    upstream = np.zeros((1, 10), np.float32)
    upstream[0, winner] = 1  # E is this logit itself, so dE/dz is 1 for it and 0 for the others
    gradient = nn.to_numpy(backward(nn.asarray(upstream)))[0, 0]
    print(f"a {data.classes[data.y_test[0]]}, taken for a {data.classes[winner]}; the pixel with the largest gradient:")
    row, column = np.unravel_index(abs(gradient).argmax(), gradient.shape)
    print(f"row {row}, column {column}: d(logit)/d(pixel) = {gradient[row, column]:+.2f}, from black (0) to white (1)")
    try:
        nn.plots.saliency(model, x_test[:4])
    except ImportError as error:
        print(error)
    return gradient


if __name__ == "__main__":
    main("--short" in sys.argv)
