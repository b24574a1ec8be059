"""Own pictures
============

A folder with one subfolder per class is a data set: python examples/own_pictures.py draws three classes of pictures,
trains on them, and classifies new ones. With pictures of your own, begin at load_images.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import xpnn as nn

SHAPES = {"circle": "ellipse", "square": "rectangle", "line": "line"}


def draw(shape: str, rng: np.random.Generator) -> Image.Image:
    """A white shape at a random place on black."""
    image = Image.new("L", (24, 24))
    left, top = (int(value) for value in rng.integers(1, 10, 2))
    size = int(rng.integers(8, 13))
    getattr(ImageDraw.Draw(image), SHAPES[shape])((left, top, left + size, top + size), fill=255)
    return image


def main(short: bool = False) -> float:
    """Train, and return the share of new pictures that are classified correctly."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        for shape in SHAPES:
            (Path(folder) / shape).mkdir()
            for number in range(40 if short else 200):
                draw(shape, rng).save(Path(folder, shape, f"{number}.png"))
        data = nn.load_images(folder)
    model = nn.Sequential(
        *(nn.Conv2D(1, 8, 5, rng=0), nn.ReLU(), nn.MaxPool2D(2), nn.Flatten(), nn.Dense(8 * 10 * 10, 3, rng=0))
    )
    nn.fit(model, data.x_train / 255.0, data.y_train, optimizer=nn.Adam(0.003), epochs=20, batch_size=8, verbose=False)
    new = [shape for shape in SHAPES for _ in range(10)]
    pictures = np.stack([np.asarray(draw(shape, rng), np.float32)[None] / 255 for shape in new])
    guessed = [data.classes[i] for i in nn.predict(model, pictures).argmax(1)]
    right = float(np.mean([a == b for a, b in zip(guessed, new, strict=True)]))
    print(f"{right:.0%} of {len(new)} new pictures are classified correctly")
    return right


if __name__ == "__main__":
    main("--short" in sys.argv)
