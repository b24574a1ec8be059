"""Embedding: rows looked up and added up, indices refused."""

import numpy as np
import pytest
from border import PLAIN, dev, host

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


@pytest.mark.parametrize("kind", ["uint8", "int32"])
@pytest.mark.parametrize("at_a_time", [1, 14, 1 << 24])
def test_gradients_are_added_where_indices_say(rng, kind, at_a_time, monkeypatch):
    """Single symbols, some that do not occur, and on a device a few at a time."""
    if nn.xp is not np and not PLAIN:
        monkeypatch.setattr("xpnn.backend.cuda.embedding._ONE_HOT", at_a_time)
    layer, indices, dy = nn.Embedding(11, 3, **F64), rng.integers(0, 9, 7).astype(kind), rng.standard_normal((7, 3))
    wanted = rng.standard_normal((11, 3))
    layer.grads["W"] = wanted
    _, backward = layer.forward(nn.asarray(indices))
    backward(dev(dy))
    for index, row in zip(indices, dy, strict=True):
        wanted[index] += row
    np.testing.assert_allclose(host(layer.grads["W"]), wanted, rtol=1e-13)


@pytest.mark.parametrize("index", [-1, 4])
def test_embedding_refuses_an_index_out_of_range(index):
    with pytest.raises(ValueError, match="outside"):  # noqa: PT012
        nn.Embedding(4, 3)(dev(np.array([[index]])))
        nn.synchronize()


def test_embedding_refuses_floats():
    with pytest.raises(TypeError, match="integer"):
        nn.Embedding(4, 3)(dev(np.zeros((1, 2))))
