"""The recurrent models, and the character model's samples."""

import numpy as np
import pytest
from border import ELEMENTS, dev, host

import xpnn as nn


@pytest.mark.parametrize("steps", [1, 5, 28])
def test_rnn_classifier_takes_any_length(steps):
    model = nn.RNNClassifier(7, 12, 3, rng=0)
    assert model(dev(np.zeros((2, steps, 7)), "float32")).shape == (2, 3)
    assert list(model.params) == ["0.W_x", "0.W_h", "0.b", "1.W", "1.b"]


@pytest.mark.parametrize("cell", [nn.RNN, nn.LSTM, nn.GRU])
def test_any_recurrent_layer_in_the_recurrent_models(cell, rng):
    classifier = nn.RNNClassifier(3, 4, 2, cell=cell, rng=0)
    assert nn.gradcheck(classifier, rng.standard_normal((2, 5, 3)), max_elements=ELEMENTS).ok
    model = nn.CharRNN("abc", 4, 3, cell=cell, rng=0)
    assert [type(layer) for layer in model] == [nn.Embedding, cell, nn.Dense]
    text = "ab" + "".join(model.sample(8, "ab", 1e-6, rng=0))  # the likeliest each time
    ids = np.array([["abc".index(c) for c in text]])
    assert host(model(dev(ids)))[0, 1:-1].argmax(1).tolist() == ids[0, 2:].tolist()


@pytest.mark.parametrize(("model", "first"), [(nn.RNNClassifier, 3), (nn.CharRNN, "ab")])
def test_a_cell_by_its_name(model, first):
    with pytest.raises(TypeError, match="expected a class of layers, RNN, LSTM or GRU, got 'lstm'"):
        model(first, cell="lstm")


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

    def test_the_least_temperature_takes_the_likeliest(self, model):
        assert "".join(model.sample(9, "ab", 1e-320, rng=0)) == "cabcabcab"

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
            ((5, "a", 0.0), "temperature above 0"),
            ((5, "a", np.nan), "temperature above 0"),
            ((5, "d"), "'d' is not in the vocabulary"),
            ((-1,), "a length of at least 0, got -1"),
            ((2.0,), "a length of at least 0, got 2.0"),
        ],
    )
    def test_wrong_input(self, model, arguments, message):
        with pytest.raises(ValueError, match=message):
            "".join(model.sample(*arguments))
