"""Images as a network takes them."""

import numpy as np
import pytest

import xpnn as nn
from xpnn.cli.recipe import Recipe


def test_images_without_a_contrast():
    images = np.full((4, 1, 8, 8), 9, np.uint8)
    recipe = Recipe.for_images("mlp", nn.ImageData("x", images, np.zeros(4, int), images, np.zeros(4, int), ("a",)))
    assert (recipe.inputs(images) == 0).all()


def test_lenet5_enlarges_small_images_and_refuses_large_ones():
    recipe = Recipe("lenet5", "x", (8, 6), classes=("a",))
    x = recipe.inputs(np.full((1, 1, 8, 6), 255, np.uint8))
    assert x.shape == (1, 1, 28, 28)
    assert x.sum() == 24 * 18
    assert x[0, 0, 2:26, 5:23].all()
    with pytest.raises(ValueError, match="at most 32x32, got 33x33"):
        recipe.inputs(np.zeros((1, 1, 33, 33), np.uint8))
