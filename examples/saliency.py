"""Reading a saliency map
======================

Which pixels does a decision hang on? The gradient of the largest logit by the input says how much each pixel moves it:
python examples/saliency.py. It is the backward pass of training, with another beginning and read at another end.
"""

import sys

import numpy as np

import xpnn as nn


def main(short: bool = False) -> np.ndarray:
    """The gradient of one digit's logit by its pixels."""
    data = nn.load_images("digits")
    x, x_test = (images.astype(np.float32) / 255 for images in (data.x_train, data.x_test))
    model = nn.Sequential(nn.Conv2D(1, 8, 3, padding=1, rng=0), nn.Tanh(), nn.Flatten(), nn.Dense(512, 10, rng=0))
    nn.fit(model, x, data.y_train, optimizer=nn.Adam(0.003), epochs=3 if short else 10, verbose=False)
    logits, backward = model.forward(nn.asarray(x_test[:1]))
    winner = int(nn.to_numpy(logits).argmax())
    upstream = np.zeros((1, 10), np.float32)
    upstream[0, winner] = 1  # dE/dz is 1 for this logit alone: E is the logit itself
    gradient = nn.to_numpy(backward(nn.asarray(upstream)))[0, 0]
    print(f"a {data.classes[data.y_test[0]]}, taken for a {data.classes[winner]}; the pixel that counts most:")
    row, column = np.unravel_index(abs(gradient).argmax(), gradient.shape)
    print(f"row {row}, column {column}: the logit changes by {gradient[row, column]:+.2f} for 1 of grey")
    try:
        nn.plots.saliency(model, x_test[:4])
    except ImportError as error:
        print(error)
    return gradient


if __name__ == "__main__":
    main("--short" in sys.argv)
