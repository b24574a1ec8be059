"""Embedding: rows looked up and added up, indices refused."""

import numpy as np
import pytest
from border import dev, host

import xpnn as nn

F64 = {"rng": 0, "dtype": "float64"}


def test_embedding_looks_up_and_adds_up():
    layer = nn.Embedding(4, 3, **F64)
    W = host(layer.params["W"])
    ids = np.array([[1, 1, 3]])
    y, backward = layer.forward(dev(ids))
    np.testing.assert_array_equal(host(y), W[ids])
    assert backward(nn.xp.ones(y.shape)) is None
    np.testing.assert_array_equal(host(layer.grads["W"]), [[0] * 3, [2] * 3, [0] * 3, [1] * 3])


@pytest.mark.parametrize("index", [-1, 4])
def test_embedding_refuses_an_index_out_of_range(index):
    with pytest.raises(ValueError, match="outside"):  # noqa: PT012
        nn.Embedding(4, 3)(dev(np.array([[index]])))
        nn.synchronize()


def test_embedding_refuses_floats():
    with pytest.raises(TypeError, match="integer"):
        nn.Embedding(4, 3)(dev(np.zeros((1, 2))))
