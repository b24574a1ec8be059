"""The (2, 4, 1) network by the document's formulas, and the RNN by the layer."""

import numpy as np
import pytest
from border import dev, host

import xpnn as nn
from xpnn.explore.small import RNN_START, X, Y, network, recurrent


@pytest.mark.parametrize(("sample", "steps"), [(0, 0), (4, 2)])
def test_the_network_is_the_documents(sample, steps):
    said, before = network(sample, steps, {}), network(sample, max(steps - 1, 0), {})
    W2, b2, W3, b3 = (np.array(said["params"][key]) for key in ("W2", "b2", "W3", "b3"))
    z2 = W2 @ X[sample] + b2
    a2 = np.where(z2 > 0, z2, 0.01 * z2)
    z3 = W3 @ a2 + b3
    a3 = np.where(z3 > 0, z3, 0.01 * z3)
    delta3 = -(Y[sample] - a3) * np.where(z3 > 0, 1, 0.01)
    delta2 = W3.T @ delta3 * np.where(z2 > 0, 1, 0.01)
    expected = {"z2": z2, "a2": a2, "z3": z3, "a3": a3, "delta3": delta3, "delta2": delta2}
    for key, value in expected.items():
        np.testing.assert_allclose(said[key], value, 1e-4, 1e-5)
    np.testing.assert_allclose(said["grads"]["W2"], np.outer(delta2, X[sample]), 1e-4, 1e-5)
    np.testing.assert_allclose(said["next"]["W3"], W3 - 0.1 * np.outer(delta3, a2), 1e-4, 1e-5)
    assert said["loss"] == pytest.approx(0.5 * float((Y[sample] - a3)[0] ** 2), rel=1e-4)
    assert steps == 0 or before["next"] == said["params"]


def test_an_edit_stands_in_its_place():
    assert network(0, 0, {"W2.1.0": 0.25})["params"]["W2"][1][0] == 0.25
    assert recurrent(1, {"b.1": 0.5, "x.2.0": -2})["x"][2] == -2


@pytest.mark.parametrize("scale", [0.25, 1, 2])
def test_the_rnn_is_the_layers(scale):
    layer = nn.RNN(1, 2, return_sequences=True, rng=0, dtype="float64")
    for key, factor in (("W_x", 1), ("W_h", scale), ("b", 1)):
        layer.params[key] = dev(RNN_START[key] * factor)
    y, backward = layer.forward(dev(RNN_START["x"][None]))
    dy = np.zeros(y.shape)
    dy[0, -1] = host(y)[0, -1] - RNN_START["target"]
    dx = host(backward(dev(dy)))
    said = recurrent(scale, {})
    np.testing.assert_allclose(said["h"], host(y)[0], 1e-5)
    for key, value in layer.grads.items():
        np.testing.assert_allclose(said["grads"][key], host(value), 1e-5)
    np.testing.assert_allclose(np.array(said["delta"]) @ RNN_START["W_x"], dx[0], 1e-3, 1e-12)  # a difference
    np.testing.assert_allclose(said["norms"], np.linalg.norm(said["dh"], axis=1), 1e-5)


@pytest.mark.parametrize("edits", [{"W9.0.0": 1}, {"W2.4.0": 1}, {"W2.0": 1}, {"W2.-1.0": 1}, {"W2.0.0": 1e9}])
def test_what_is_no_place_or_no_value_is_refused(edits):
    with pytest.raises(ValueError, match="expected"):
        network(0, 0, edits)
