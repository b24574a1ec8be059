"""A trained network as a function: dropout off, batch normalisation by running estimates, whoever wrote the layer."""

import numpy as np
import pytest
from border import dev, host

import xpnn as nn

F64 = {"dtype": "float64"}


class Own(nn.Composite):
    """A layer of layers with a forward and no more."""

    def __init__(self):
        self.body = nn.Sequential(
            nn.Dense(4, 6, rng=0, **F64), nn.BatchNorm1D(6, **F64), nn.Dropout(0.5, rng=1), nn.Dense(6, 3, rng=2, **F64)
        )

    def children(self):
        yield "body", self.body

    def forward(self, x, needs_dx=True):
        return self.body.forward(x, needs_dx)


class Wrapped(nn.Layer):
    """A layer that makes use of one without parameters."""

    def __init__(self):
        super().__init__()
        self.dropout = nn.Dropout(0.5, rng=0)

    def forward(self, x, needs_dx=True):
        return self.dropout.forward(x, needs_dx)


@pytest.fixture
def model(rng):
    """After a step, so that the running estimates are not what they start from."""
    model = Own()
    y, backward = model.forward(dev(rng.standard_normal((8, 4))))
    backward(nn.xp.ones_like(y))
    nn.SGD(0.1).step(model)
    return model


def test_layers_of_ones_own_infer_as_the_layers_in_them(model, rng):
    x = rng.standard_normal((5, 4))
    before = {key: host(value).copy() for key, value in model.buffers.items()}
    np.testing.assert_array_equal(nn.predict(model, x), nn.predict(model.body, x))
    assert nn.evaluate(model, x, np.arange(5) % 3) == nn.evaluate(model.body, x, np.arange(5) % 3)
    np.testing.assert_allclose(host(model(dev(x[:1]))), host(model.body(dev(x)))[:1], rtol=1e-12)
    for key, value in model.buffers.items():
        np.testing.assert_array_equal(host(value), before[key])
    np.testing.assert_array_equal(nn.predict(Wrapped(), x), x.astype("float32"))


def test_its_gradient_is_that_of_what_it_computes(model, rng):
    x, dy, h = rng.standard_normal((3, 4)), rng.standard_normal((3, 3)), 1e-6
    with nn.inference():
        y, backward = model.forward(dev(x))
    dx = host(backward(dev(dy)))
    np.testing.assert_allclose(host(y), host(model(dev(x))), rtol=1e-12)

    def slope(nudged):
        return (nudged(h) - nudged(-h)) / (2 * h)

    def at(place):
        return lambda nudge: (host(model(dev(x + nudge * place))) * dy).sum()

    places = [np.eye(12)[i].reshape(3, 4) for i in range(12)]
    np.testing.assert_allclose(dx.ravel(), [slope(at(place)) for place in places], rtol=1e-6, atol=1e-9)
    for key in ("body.1.gamma", "body.1.beta", "body.0.W"):
        param = model.params[key]

        def moved(nudge, param=param):
            param.ravel()[1:2] += nudge
            value = (host(model(dev(x))) * dy).sum()
            param.ravel()[1:2] -= nudge
            return value

        np.testing.assert_allclose(host(model.grads[key]).ravel()[1], slope(moved), rtol=1e-6, atol=1e-9)


def test_training_goes_on_after_it(model, rng):
    x = dev(rng.standard_normal((3, 4)))
    with pytest.raises(RuntimeError), nn.inference():
        raise RuntimeError
    assert (host(model.forward(x)[0]) != host(model.forward(x)[0])).any()  # other masks
