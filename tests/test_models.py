"""The networks: their shapes, sizes, names, and the character model's samples."""

import numpy as np
import pytest
from border import dev, host

import xpnn as nn


@pytest.mark.parametrize(("size", "batch"), [(28, 1), (32, 3)])
def test_lenet5_shapes(size, batch):
    model = nn.LeNet5(size, rng=0)
    x = dev(np.zeros((batch, 1, size, size)), "float32")
    shapes = []
    for layer in model:
        x = layer(x)
        shapes.append(x.shape[1:])
    assert shapes[0] == (6, 28, 28)  # C1
    assert shapes[2] == (6, 14, 14)  # S2
    assert shapes[3] == (16, 10, 10)  # C3
    assert shapes[5] == (16, 5, 5)  # S4
    assert shapes[6] == (120, 1, 1)  # C5
    assert shapes[9] == (84,)  # F6
    assert x.shape == (batch, 10)
    assert model.flat_params.size == 156 + 2416 + 48120 + 10164 + 850


def test_mlp_of_any_depth_and_width():
    model = nn.MLP((3, 1, 50, 2, 7, 5), activation=nn.Tanh(), output_activation=nn.Sigmoid(), rng=0)
    assert [type(layer).__name__ for layer in model] == ["Dense", "Tanh"] * 4 + ["Dense", "Sigmoid"]
    assert model(dev(np.zeros((2, 3)), "float32")).shape == (2, 5)


def test_default_mlp_ends_in_logits():
    assert [type(layer).__name__ for layer in nn.MLP((2, 4, 1))] == ["Dense", "ReLU", "Dense"]


def test_a_deep_network_still_learns(rng):
    """He's initial weights keep the signal through 20 layers."""
    data = nn.load_images("digits")
    x = (data.x_train.reshape(len(data.x_train), -1) / 255 - 0.3).astype(np.float32)
    model = nn.MLP([64] * 21 + [10], rng=0)
    history = nn.fit(model, x, data.y_train, epochs=6, batch_size=32, verbose=False)
    assert history[-1]["accuracy"] > 0.8


@pytest.mark.parametrize("steps", [1, 5, 28])
def test_rnn_classifier_takes_any_length(steps):
    model = nn.RNNClassifier(7, 12, 3, rng=0)
    assert model(dev(np.zeros((2, steps, 7)), "float32")).shape == (2, 3)
    assert list(model.params) == ["0.W_x", "0.W_h", "0.b", "1.W", "1.b"]


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


@pytest.mark.parametrize("cell", [nn.RNN, nn.LSTM, nn.GRU])
def test_any_recurrent_layer_in_the_recurrent_models(cell, rng):
    classifier = nn.RNNClassifier(3, 4, 2, cell=cell, rng=0)
    assert nn.gradcheck(classifier, rng.standard_normal((2, 5, 3))).ok
    model = nn.CharRNN("abc", 4, 3, cell=cell, rng=0)
    assert [type(layer) for layer in model] == [nn.Embedding, cell, nn.Dense]
    text = "ab" + "".join(model.sample(8, "ab", 1e-6, rng=0))  # the likeliest each time
    ids = np.array([["abc".index(c) for c in text]])
    assert host(model(dev(ids)))[0, 1:-1].argmax(1).tolist() == ids[0, 2:].tolist()


def test_a_slice_of_a_network_is_a_network():
    model = nn.MLP((2, 3, 4), rng=0)
    part = model[:2]
    assert [type(layer) for layer in part] == [nn.Dense, nn.ReLU]
    assert part[0] is model[0]
    assert part(dev(np.ones((5, 2)), "float32")).shape == (5, 3)


def test_same_seed_same_weights():
    for make in (nn.LeNet5, lambda rng: nn.MLP((3, 4), rng=rng), lambda rng: nn.CharRNN("ab", rng=rng)):
        one, two, other = make(rng=5), make(rng=5), make(rng=6)
        np.testing.assert_array_equal(host(one.flat_params), host(two.flat_params))
        assert (host(one.flat_params) != host(other.flat_params)).any()


@pytest.fixture(scope="module")
def model():
    """A character model, taught to say abcabc..."""
    model = nn.CharRNN("abc", hidden_size=16, embedding_dim=4, rng=0)
    ids = np.tile([0, 1, 2], 200)
    nn.fit(model, *nn.windows(ids, 10), epochs=30, batch_size=8, optimizer=nn.Adam(0.01), verbose=False)
    return model


class TestCharRNN:
    def test_sample_goes_on_from_the_prompt(self, model):
        assert "".join(model.sample(9, "ab", 0.1, rng=0)) == "cabcabcab"

    def test_sample_needs_no_prompt(self, model):
        assert "".join(model.sample(6, temperature=0.1, rng=0)) == "bcabca"  # as after the first character

    def test_same_seed_same_sample(self, model):
        draws = ["".join(model.sample(50, "a", 50.0, rng=seed)) for seed in (1, 1, 2)]
        assert draws[0] == draws[1] != draws[2]

    def test_state_carries_over_one_character_at_a_time(self, model):
        """Sampling by steps gives the logits of the whole sequence."""
        ids = np.array([[0, 1, 1, 2, 0]])
        whole = host(model(dev(ids)))[0]
        state = None
        for t in range(5):
            h, *_ = model.rnn.forward_from(model.embedding(dev(ids[:, t : t + 1])), state)
            state = h[:, -1]
            np.testing.assert_allclose(host(model.dense(state))[0], whole[t], rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("a", 0.0), "temperature above 0"),
            (("a", np.nan), "temperature above 0"),
            (("d",), "'d' is not in the vocabulary"),
        ],
    )
    def test_wrong_input(self, model, arguments, message):
        with pytest.raises(ValueError, match=message):
            "".join(model.sample(5, *arguments))


ACTIVATIONS = (nn.Sigmoid(), nn.Tanh(), nn.ScaledTanh(1.5, 0.7), nn.ReLU(), nn.LeakyReLU(0.1), nn.LeakyReLU(-0.5))


@pytest.mark.parametrize("f", ACTIVATIONS, ids=repr)
@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 3), (700, 3)])
def test_dense_and_its_activation_as_one_give_what_they_give_one_after_the_other(rng, f, shape):
    dense, alone = (nn.Dense(3, 4, rng=0, dtype="float64") for _ in range(2))
    model = nn.Sequential(dense, f)
    for layer in (dense, alone):
        layer.params["b"] = rng.standard_normal(4) if layer is dense else dense.params["b"]
    x, dy = dev(rng.standard_normal(shape)), dev(rng.standard_normal((*shape[:-1], 4)))
    y, backward = model.forward(x)
    z, dense_backward = alone.forward(x)
    a, f_backward = f.forward(z)
    np.testing.assert_allclose(host(y), host(a), rtol=1e-15)
    np.testing.assert_allclose(host(model(x)), host(a), rtol=1e-15)
    np.testing.assert_allclose(host(backward(dy)), host(dense_backward(f_backward(dy))), rtol=1e-14)
    for key in ("W", "b"):
        np.testing.assert_allclose(host(dense.grads[key]), host(alone.grads[key]), rtol=1e-12, atol=1e-13)


def test_an_activation_of_ones_own_is_asked_itself(rng):
    class Doubled(nn.Tanh):
        def forward(self, x, needs_dx=True):
            y, backward = super().forward(x, needs_dx)
            return 2 * y, lambda dy: backward(2 * dy)

    dense, x = nn.Dense(3, 4, rng=0), dev(rng.standard_normal((2, 3)), "float32")
    np.testing.assert_allclose(host(nn.Sequential(dense, Doubled())(x)), 2 * np.tanh(host(dense(x))), rtol=1e-6)


def test_an_activation_s_own_inference_is_asked_too():
    class Silent(nn.Tanh):
        def __call__(self, x):
            return 0 * x

    model = nn.Sequential(nn.Dense(3, 4, rng=0), Silent())
    assert not host(model(dev(np.ones((2, 3)), "float32"))).any()
