"""First weights: their bounds and distributions, and the same ones from the same seed."""

import numpy as np
import pytest
from border import host

import xpnn as nn


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
