"""Dropout: its share, its mask both ways, and none in inference."""

import numpy as np
import pytest
from border import host

import xpnn as nn


def test_dropout_drops_a_share_and_keeps_the_mean():
    layer = nn.Dropout(0.25, rng=0)
    x = nn.xp.ones((100, 1000), dtype="float32")
    y, backward = layer.forward(x)
    values = host(y)
    assert set(np.unique(values)) == {np.float32(0), np.float32(1 / 0.75)}
    assert (values == 0).mean() == pytest.approx(0.25, abs=0.01)
    np.testing.assert_array_equal(host(backward(x)), values)  # the same mask both ways
    assert (host(layer.forward(x)[0]) != values).any()  # the next pass draws anew
    np.testing.assert_array_equal(host(layer(x)), 1)
