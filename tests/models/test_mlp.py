"""MLP: its layers, and that deep ones learn."""

import numpy as np
import pytest
from border import dev, learns

import xpnn as nn


def test_mlp_takes_its_sizes_as_one_sequence():
    with pytest.raises(TypeError, match="sizes as one sequence"):
        nn.MLP(4, 16, 3)


def test_mlp_of_any_depth_and_width():
    model = nn.MLP((3, 1, 50, 2, 7, 5), activation=nn.Tanh(), output_activation=nn.Sigmoid(), rng=0)
    assert [type(layer).__name__ for layer in model] == ["Dense", "Tanh"] * 4 + ["Dense", "Sigmoid"]
    assert model(dev(np.zeros((2, 3)), "float32")).shape == (2, 5)


def test_default_mlp_ends_in_logits():
    assert [type(layer).__name__ for layer in nn.MLP((2, 4, 1))] == ["Dense", "ReLU", "Dense"]


@learns
def test_a_deep_network_still_learns():
    """He's initial weights keep the signal through 20 layers."""
    data = nn.load_images("digits")
    x = (data.x_train.reshape(len(data.x_train), -1) / 255 - 0.3).astype(np.float32)
    rng = np.random.default_rng(0)
    hidden = [part for _ in range(20) for part in (nn.Dense(64, 64, init="he_uniform", rng=rng), nn.ReLU())]
    model = nn.Sequential(*hidden, nn.Dense(64, 10, rng=rng))
    history = nn.fit(model, x, data.y_train, epochs=6, batch_size=32, verbose=False)
    assert history[-1]["accuracy"] > 0.8
