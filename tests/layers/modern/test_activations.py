"""Activations of ``layers/modern``: what holds whatever the value, errors, and behind a Dense."""

import math

import numpy as np
import pytest
from border import dev, host

import xpnn as nn

EVERY = (
    *(nn.ELU(0.5), nn.SiLU(), nn.GELU(), nn.GELU("tanh"), nn.Softplus(2, 3), nn.ReLU6(), nn.Clip(-0.5, 0.5)),
    *(nn.HardSigmoid(), nn.HardSwish()),
)


@pytest.mark.parametrize("f", EVERY, ids=str)
def test_behind_a_dense(f, rng):
    """On a device the two are one layer of the network, and the equation computes it."""
    dense, x = nn.Dense(4, 3, rng=0, dtype="float64"), dev(rng.standard_normal((5, 4)))
    dy = dev(rng.standard_normal((5, 3)))
    z, z_backward = dense.forward(x)
    y, y_backward = f.forward(z)
    dx = z_backward(y_backward(dy))
    alone = host(dense.flat_grads).copy()
    dense.zero_grad()
    joined, backward = nn.Sequential(dense, f).forward(x)
    np.testing.assert_allclose(host(joined), host(y), rtol=1e-13)
    np.testing.assert_allclose(host(backward(dy)), host(dx), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(host(dense.flat_grads), alone, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("f", [*EVERY, nn.PReLU(dtype="float64"), nn.LogSoftmax()], ids=str)
def test_nan_stays_nan_and_the_input_as_it_is(f):
    z = dev([[-2.0, np.nan, 3.0]])
    with np.errstate(invalid="ignore"):
        y = host(f(z))
    assert np.isnan(y[0, 1])
    assert isinstance(f, nn.LogSoftmax) or np.isfinite(y[0, ::2]).all()  # which puts each row in relation
    np.testing.assert_array_equal(host(z), [[-2, np.nan, 3]])


def test_limits():
    z = dev([-1e4, -5.0, 0.0, 5.0, 1e4])
    np.testing.assert_array_equal(host(nn.ReLU6()(z)), [0, 0, 0, 5, 6])
    np.testing.assert_array_equal(host(nn.Clip(-math.inf, 2)(z)), [-1e4, -5, 0, 2, 2])
    np.testing.assert_array_equal(host(nn.HardSigmoid(0.25, 0.5)(z)), [0, 0, 0.5, 1, 1])
    np.testing.assert_array_equal(host(nn.ELU(2.0)(z))[[0, 2, 3, 4]], [-2, 0, 5, 1e4])
    exact, linear = nn.Softplus(threshold=math.inf)(z), nn.Softplus(threshold=4)(z)
    np.testing.assert_allclose(
        host(exact), [0, math.log1p(math.exp(-5)), math.log(2), 5 + math.log1p(math.exp(-5)), 1e4]
    )
    np.testing.assert_array_equal(host(linear)[3:], [5, 1e4])


def test_two_forms_of_gelu_differ_by_what_is_stated():
    z = dev(np.linspace(-6, 6, 1201))
    difference = abs(host(nn.GELU()(z)) - host(nn.GELU("tanh")(z))).max()
    assert 1e-4 < difference < 5e-4


def test_logsoftmax_is_the_logarithm_of_softmax_where_that_underflows(rng):
    x = dev([[0.0, 1000.0, -1000.0]])
    np.testing.assert_array_equal(host(nn.LogSoftmax()(x)), [[-1000, 0, -2000]])
    x = dev(rng.standard_normal((3, 2, 4)))
    np.testing.assert_allclose(host(nn.LogSoftmax()(x)), np.log(host(nn.Softmax()(x))), rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.GELU("erf"), 'GELU: expected approximate="none" or "tanh", got \'erf\''),
        (lambda: nn.Softplus(0), "Softplus: expected beta > 0, got 0"),
        (lambda: nn.Clip(2, 1), "Clip: expected low < high, got 2 and 1"),
        (lambda: nn.Clip(math.nan, 1), "Clip: expected low < high, got nan and 1"),
        (lambda: nn.PReLU(0), "num_parameters: expected a whole number of at least 1, got 0"),
    ],
)
def test_settings_that_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (nn.ELU(), "ELU()"),
        (nn.ELU(0.5), "ELU(alpha=0.5)"),
        (nn.GELU(), "GELU()"),
        (nn.GELU("tanh"), "GELU('tanh')"),
        (nn.Softplus(2), "Softplus(beta=2.0)"),
        (nn.ReLU6(), "ReLU6()"),
        (nn.Clip(0, math.inf), "Clip(0.0, inf)"),
        (nn.HardSigmoid(0.2), "HardSigmoid(slope=0.2)"),
        (nn.PReLU(), "PReLU()"),
        (nn.PReLU(3, 0.1), "PReLU(num_parameters=3, init=0.1)"),
    ],
)
def test_repr(layer, text):
    assert repr(layer) == text


class TestPReLU:
    def test_one_alpha_for_all_and_one_for_each_channel(self):
        x = dev([[[-1.0, 2.0], [-3.0, 4.0]]])
        layer = nn.PReLU(2, dtype="float64")
        layer.params["alpha"] = np.array([0.5, 2.0])
        np.testing.assert_array_equal(host(layer(x)), [[[-0.5, 2], [-6, 4]]])
        np.testing.assert_array_equal(host(nn.PReLU(dtype="float64")(x)), [[[-0.25, 2], [-0.75, 4]]])

    def test_alpha_is_learnt(self, rng):
        model = nn.Sequential(nn.Dense(3, 4, rng=0), nn.PReLU(4), nn.Dense(4, 2, rng=1))
        x, y = rng.standard_normal((64, 3)).astype("float32"), rng.integers(0, 2, 64)
        nn.fit(model, x, y, optimizer=nn.SGD(0.5), epochs=2, batch_size=16, verbose=False)
        assert len(set(host(model[1].params["alpha"]).tolist())) == 4

    def test_an_input_with_other_channels_is_refused(self):
        with pytest.raises(ValueError, match=r"expected input of shape \(N, 3\), got \(2, 4\)"):
            nn.PReLU(3)(dev(np.ones((2, 4)), "float32"))
        with pytest.raises(ValueError, match=r"expected input of shape \(N, 3, L\), got \(3, 2, 3\)"):
            nn.PReLU(3)(dev(np.ones((3, 2, 3)), "float32"))
