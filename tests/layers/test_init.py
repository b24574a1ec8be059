"""First weights: their bounds and distributions, and the same ones from the same seed."""

import numpy as np
import pytest
from border import host

import xpnn as nn
from xpnn.layers.init import RULES, initial

VARIANCES = {"he": 2 / 90, "glorot": 2 / 450, "small": 1 / 270, "lecun": 1 / 90, "torch": 1 / 270}
"""Of each rule, for 40 kernels over 10 channels of 3x3 pixels: a fan-in of 90 and a fan-out of 360."""


@pytest.mark.parametrize("rule", VARIANCES)
def test_a_rule_has_its_variance_and_its_distribution(rule):
    shape, rng = (40, 10, 3, 3), np.random.default_rng(0)
    uniform, normal = (initial(f"{rule}_{kind}", shape, rng) for kind in ("uniform", "normal"))
    bound = (3 * VARIANCES[rule]) ** 0.5
    assert 0.998 * bound < abs(uniform).max() <= bound < abs(normal).max()
    for weights in (uniform, normal):
        assert weights.shape == shape
        assert abs(weights.mean()) < 0.05 * bound
        assert weights.var() == pytest.approx(VARIANCES[rule], rel=0.05)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (2, 3, 2, 2), (20, 3, 2, 2)])
def test_orthogonal_weights_keep_lengths(shape):
    W = initial("orthogonal", shape, np.random.default_rng(0)).reshape(shape[0], -1)
    W = W if len(W) <= W.shape[1] else W.T
    np.testing.assert_allclose(W @ W.T, np.eye(len(W)), atol=1e-14)


def test_weights_from_a_function_and_zeros():
    layer = nn.Conv2D(2, 3, 2, init=lambda shape, rng: rng.integers(0, 9, shape), rng=0)
    np.testing.assert_array_equal(host(layer.params["W"]), np.random.default_rng(0).integers(0, 9, (3, 2, 2, 2)))
    assert not host(nn.Dense(3, 2, init="zeros").params["W"]).any()
    assert set(RULES) == {f"{rule}_{kind}" for rule in VARIANCES for kind in ("uniform", "normal")} | {
        "orthogonal",
        "zeros",
    }


@pytest.mark.parametrize(
    ("init", "message"),
    [
        ("he", "init: expected one of he_uniform, .* got 'he'"),
        ("zeros_uniform", "got 'zeros_uniform'"),
        (None, "got None"),
        (lambda shape, rng: np.zeros(3), r"expected a function that returns finite weights of shape \(2, 3\)"),
        (lambda shape, rng: np.full(shape, np.inf), "finite weights"),
    ],
)
def test_what_is_no_rule_is_refused(init, message):
    with pytest.raises(ValueError, match=message):
        nn.Dense(3, 2, init=init)


def test_dense_layers_start_nearer_to_0_than_convolutions():
    W = host(nn.Dense(54, 100, rng=0).params["W"])
    assert 0.99 * (3 / 154) ** 0.5 < abs(W).max() <= (3 / 154) ** 0.5


WITHOUT_BIAS = {
    "Dense": (lambda: nn.Dense(4, 3, bias=False, rng=0), (5, 4)),
    "Conv2D": (lambda: nn.Conv2D(2, 4, 2, groups=2, bias=False, rng=0), (3, 2, 4, 5)),
    "RNN": (lambda: nn.RNN(3, 4, bias=False, rng=0), (2, 5, 3)),
    "LSTM": (lambda: nn.LSTM(3, 4, bias=False, rng=0), (2, 5, 3)),
    "GRU": (lambda: nn.GRU(3, 4, bias=False, rng=0), (2, 5, 3)),
    "fused": (lambda: nn.Sequential(nn.Dense(4, 3, bias=False, rng=0), nn.Tanh()), (5, 4)),
}


@pytest.mark.parametrize("name", WITHOUT_BIAS)
def test_a_layer_without_a_bias_is_the_one_whose_bias_is_0(name):
    make, shape = WITHOUT_BIAS[name]
    layer, x = make(), nn.asarray(np.random.default_rng(0).standard_normal(shape))
    leaf = next(leaf for _, leaf in layer.leaves())
    assert not any(key.startswith("b") for key in leaf.params)
    assert "bias=False" in repr(leaf)
    twin = make()
    other = next(leaf for _, leaf in twin.leaves())
    with_bias = type(other)(**_settings(other))
    for key, value in with_bias.params.items():
        with_bias.params[key] = other.params[key] if key in other.params else nn.xp.zeros_like(value)
    if isinstance(layer, nn.Sequential):
        with_bias = nn.Sequential(with_bias, nn.Tanh())
    (y, backward), (wanted, wanted_backward) = layer.forward(x), with_bias.forward(x)
    np.testing.assert_array_equal(host(y), host(wanted))
    np.testing.assert_array_equal(host(layer(x)), host(with_bias(x)))
    np.testing.assert_array_equal(host(backward(y)), host(wanted_backward(y)))
    for key, gradient in layer.grads.items():
        np.testing.assert_array_equal(host(gradient), host(with_bias.grads[key]))


def _settings(layer: nn.Layer) -> dict[str, object]:
    names = {
        nn.Dense: ("in_features", "out_features"),
        nn.Conv2D: ("in_channels", "out_channels", "kernel_size", "groups"),
    }.get(type(layer), ("input_size", "hidden_size"))
    return {name: getattr(layer, name) for name in names}


def test_slices_of_a_batch_without_biases_give_the_gradients_of_the_whole():
    def gradients(*slices: slice) -> np.ndarray:
        model = nn.Sequential(
            nn.Conv2D(1, 4, 3, bias=False, rng=0), nn.ReLU(), nn.Flatten(), nn.Dense(2704, 2, bias=False)
        )
        model.params["3.W"] = np.random.default_rng(1).standard_normal((2, 2704))
        x = nn.asarray(np.random.default_rng(0).standard_normal((400, 1, 28, 28)))
        for part in slices:
            y, backward = model.forward(x[part], needs_dx=False)
            backward(y)
        return host(model.flat_grads)

    whole, parts = gradients(slice(400)), gradients(*(slice(i, i + 50) for i in range(0, 400, 50)))
    np.testing.assert_allclose(whole, parts, rtol=1e-3, atol=1e-5 * abs(parts).max())


def test_weights_are_drawn_for_what_a_kernel_sees():
    W = host(nn.Conv2D(64, 64, 3, groups=64, rng=0).params["W"])
    bound = (6 / 9) ** 0.5  # He: sqrt(6 / fan_in) for 1 * 3 * 3 pixels
    assert 0.9 * bound < abs(W).max() <= bound


def test_first_weights_are_glorot_s_and_orthogonal_ones_from_everywhere():
    W_x = host(nn.RNN(200, 100, rng=0).params["W_x"])
    bound = (6 / 300) ** 0.5
    assert 0.999 * bound < abs(W_x).max() <= bound
    assert W_x.std() == pytest.approx(bound / 3**0.5, rel=0.02)
    W_h = [host(nn.RNN(1, 3, rng=seed, dtype="float64").params["W_h"]) for seed in range(100)]
    np.testing.assert_allclose(W_h @ np.swapaxes(W_h, 1, 2), np.broadcast_to(np.eye(3), (100, 3, 3)), atol=1e-14)
    assert 30 < sum(W[0, 0] > 0 for W in W_h) < 70  # as QR by LAPACK leaves it it has but one sign


def test_same_seed_same_weights():
    for make in (nn.LeNet5, lambda rng: nn.MLP((3, 4), rng=rng), lambda rng: nn.CharRNN("ab", rng=rng)):
        one, two, other = make(rng=5), make(rng=5), make(rng=6)
        np.testing.assert_array_equal(host(one.flat_params), host(two.flat_params))
        assert (host(one.flat_params) != host(other.flat_params)).any()
