"""Networks as sequences of layers: gradients refused or not made, slices, the summary."""

import numpy as np
import pytest
from border import dev, host

import xpnn as nn

F64 = {"rng": 0, "dtype": "float64"}


def test_a_network_without_parameters_has_no_gradient_that_nobody_asked_for():
    y, backward = nn.Sequential(nn.Flatten(), nn.Tanh()).forward(dev(np.ones((2, 3, 4))), needs_dx=False)
    assert backward(y) is None


@pytest.mark.parametrize("dy", [np.zeros((3, 2)), np.zeros((1, 3)), np.zeros((2, 3), "float32")])
def test_a_network_refuses_another_gradient_than_its_output_s(dy):
    model = nn.Sequential(nn.Dense(4, 3, **F64), nn.Tanh())
    _, backward = model.forward(dev(np.ones((2, 4))))
    with pytest.raises(ValueError, match=r"Sequential: expected dE/dy of y's shape \(2, 3\) and float64, got \("):
        backward(nn.xp.asarray(dy))
    assert not host(model.flat_grads).any()


def test_summary_shows_layers_shapes_and_counts():
    lines = nn.LeNet5(rng=0).summary().splitlines()
    assert lines[1].split() == [
        "0",
        "Conv2D(1,",
        "6,",
        "kernel_size=5,",
        "padding=2)",
        "(N,",
        "6,",
        "28,",
        "28)",
        "156",
    ]
    assert lines[-1].split() == ["total", "61,706"]
    assert "(N, 64, 3)" in nn.CharRNN("abc", 8, rng=0).summary()
    shared = nn.Dense(2, 2)
    assert nn.Sequential(shared, shared).summary((2,)).splitlines()[-1].split() == ["total", "6"]


def test_summary_cuts_long_names():
    table = nn.Sequential(nn.Sequential(*[nn.Dense(2, 2) for _ in range(20)])).summary((2,))
    assert max(map(len, table.splitlines())) < 90
    assert "0 Sequential(Dense(2, 2), " in table


def test_a_slice_of_a_network_is_a_network():
    model = nn.MLP((2, 3, 4), rng=0)
    part = model[:2]
    assert [type(layer) for layer in part] == [nn.Dense, nn.ReLU]
    assert part[0] is model[0]
    assert part(dev(np.ones((5, 2)), "float32")).shape == (5, 3)
