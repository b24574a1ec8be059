"""The source document's sections "DNN" and "信息前向传播", each formula from scalar loops (docs/equations.md)."""

import math

import numpy as np
import pytest
from border import dev, host, randomise
from document.loops import same
from document.network import DocumentNetwork

import xpnn as nn

SIZES = (3, 5, 4, 2)

ACTIVATIONS = {
    nn.LeakyReLU(0.01): lambda z: z if z > 0 else 0.01 * z,
    nn.ReLU(): lambda z: max(z, 0.0),
    nn.Sigmoid(): lambda z: 1 / (1 + math.exp(-z)),
    nn.Tanh(): math.tanh,
    nn.ScaledTanh(): lambda z: 1.7159 * math.tanh(2 / 3 * z),
}
"""Each layer f, and f of a scalar."""


@pytest.fixture
def dense(rng):
    layer = nn.Dense(5, 4, rng=0, dtype="float64")
    randomise(layer, rng)
    return layer


@pytest.mark.parametrize("sizes", [(2, 1), SIZES, (7, 1, 6, 2, 3, 3, 5)], ids=str)
def test_DNN_1_any_number_of_layers_of_any_number_of_neurons(sizes):
    layers = [layer for layer in nn.MLP(sizes, rng=0) if isinstance(layer, nn.Dense)]
    assert len(layers) == len(sizes) - 1
    assert [layer.in_features for layer in layers] == list(sizes[:-1])
    assert [layer.out_features for layer in layers] == list(sizes[1:])


def test_DNN_2_a_weight_matrix_has_a_row_for_each_neuron_and_a_column_for_each_before():
    assert nn.Dense(5, 4, rng=0).params["W"].shape == (4, 5)


def test_DNN_3_W_ij_is_the_weight_from_neuron_j_to_neuron_i(dense):
    dense.params["b"] = np.zeros(4)
    W = host(dense.params["W"]).tolist()
    for j in range(5):
        only_j = [1.0 if k == j else 0.0 for k in range(5)]
        same(dense(dev([only_j]))[0], [W[i][j] for i in range(4)])


def test_DNN_4_f_is_a_function_of_one_element(rng):
    z = rng.standard_normal((4, 6)).tolist()
    for layer, f in ACTIVATIONS.items():
        same(layer(dev(z)), [[f(value) for value in row] for row in z])


def test_DNN_5_a_layer_has_a_bias_for_each_neuron():
    assert nn.Dense(5, 4, rng=0).params["b"].shape == (4,)


def test_DNN_6_a_layer_has_a_state_for_each_neuron(dense, rng):
    assert dense(dev(rng.standard_normal((7, 5)))).shape == (7, 4)


def test_DNN_7_a_layer_has_an_activation_for_each_neuron(rng):
    for layer in ACTIVATIONS:
        assert layer(dev(rng.standard_normal((7, 4)))).shape == (7, 4)


def test_DNN_8_state(dense, rng):
    """z_i = sum_j W_ij a_j + b_i for each of seven samples."""
    a = rng.standard_normal((7, 5)).tolist()
    W, b = host(dense.params["W"]).tolist(), host(dense.params["b"]).tolist()
    same(dense(dev(a)), [[sum(W[i][j] * s[j] for j in range(5)) + b[i] for i in range(4)] for s in a])


def test_DNN_9_activation(dense, rng):
    """a_i = f(z_i), where z is a layer's state."""
    z = dense(dev(rng.standard_normal((7, 5))))
    for layer, f in ACTIVATIONS.items():
        same(layer(z), [[f(value) for value in row] for row in host(z).tolist()])


def test_DNN_10_forward_propagation(rng):
    """x = a^(1), z^(2), a^(2), ..., z^(L), a^(L) = y."""
    leaky = nn.LeakyReLU(0.01)
    model = nn.MLP(SIZES, activation=leaky, output_activation=leaky, rng=0, dtype="float64")
    randomise(model, rng)
    plain = DocumentNetwork(
        {l: host(model[2 * l - 4].params["W"]).tolist() for l in (2, 3, 4)},
        {l: host(model[2 * l - 4].params["b"]).tolist() for l in (2, 3, 4)},
    )
    x = rng.standard_normal(3)
    z, a = plain.forward(x.tolist())
    for l in (2, 3, 4):
        same(model[: 2 * l - 3].forward(dev(x[None]))[0][0], z[l])
        same(model[: 2 * l - 2].forward(dev(x[None]))[0][0], a[l])
    same(model.forward(dev(x[None]))[0][0], a[4])
