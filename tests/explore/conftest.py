"""Which tests run where, and the network that they look at."""

import pytest
from border import AS_USED, ONCE

import xpnn as nn
from xpnn.cli.recipe import Recipe
from xpnn.explore import Pictures

collect_ignore = [] if ONCE else ["test_pages.py", "test_server.py"]
"""What a page says, and who may read it, is the same in every run."""

if not AS_USED:
    collect_ignore += [
        "test_pictures.py",
        "test_small.py",
    ]  # layers, plain and on the stand-in, have tests of their own


@pytest.fixture(scope="session")
def recipe():
    return Recipe("lenet5", "digits", (8, 8), 0.3, 0.37, tuple("0123456789"))


@pytest.fixture
def pictures(recipe):
    """LeNet-5 with its first weights, and the digits that are held out."""
    data = nn.load_images("digits", test_only=True)
    return Pictures(recipe.build(0), data.x_test[:4], data.y_test[:4], data.classes, recipe.inputs)
