"""Networks on sequences of different lengths: what each sequence gives alone."""

import numpy as np
import pytest
from border import dev, host, randomise

import xpnn as nn

F64 = {"dtype": "float64"}
LENGTHS = [3, 6, 1, 4]


def tagger() -> nn.Sequential:
    """From symbols, through layers that act on each step, to outputs for each step."""
    block = nn.Residual(nn.Sequential(nn.LSTM(4, 4, True, **F64), nn.Tanh()))
    both = nn.Bidirectional(nn.RNN(4, 3, True, **F64), merge="sum")
    return nn.Sequential(nn.Embedding(7, 4, **F64), block, nn.Dense(4, 4, **F64), both, nn.Dense(3, 2, **F64))


def nested() -> nn.Sequential:
    """The lengths end within a network in the network."""
    inner = nn.Sequential(nn.GRU(3, 4, True, **F64), nn.Dense(4, 4, **F64), nn.Bidirectional(nn.GRU(4, 2, **F64)))
    return nn.Sequential(nn.Dense(3, 3, **F64), nn.Sigmoid(), inner, nn.Flatten(), nn.Dense(4, 2, **F64))


def beside() -> nn.Sequential:
    """The last state beside each step, within a graph whose output has the steps of one of its branches."""
    nodes = {
        **{"last": (nn.GRU(3, 4, **F64), "x"), "one": (nn.Reshape(1, 4), "last")},
        **{"each": (nn.Dense(3, 4, **F64), "x"), "y": (nn.Add(), "each", "one")},
    }
    return nn.Sequential(nn.Graph(nodes), nn.GRU(4, 2, **F64))


def classifier(cell: type, **options) -> nn.Sequential:
    return nn.RNNClassifier(3, 4, 2, cell=cell, **options, **F64)


MODELS = {
    "one layer": lambda: classifier(nn.RNN),
    "two LSTMs": lambda: classifier(nn.LSTM, num_layers=2),
    "three GRUs in both directions": lambda: classifier(nn.GRU, num_layers=3, bidirectional=True),
    "nested": nested,
    "a graph": beside,
    "tagger": tagger,
}


def gradients(model: nn.Layer, x, dy, lengths=None):
    """Outputs, dE/dx and the sums of the parameters' gradients, on the host."""
    y, backward = model.forward(dev(x), **({} if lengths is None else {"lengths": lengths}))
    return host(y).copy(), backward(dev(dy))


@pytest.mark.parametrize("case", MODELS)
def test_a_batch_of_sequences_gives_what_each_gives_alone(case, rng):
    model = MODELS[case]()
    randomise(model, rng)
    symbols = isinstance(model.layers[0], nn.Embedding)
    rows = [rng.integers(0, 7, length) if symbols else rng.standard_normal((length, 3)) for length in LENGTHS]
    x, lengths = nn.pad(rows)
    assert model.takes_lengths
    dy = rng.standard_normal((4, 6, 2) if symbols else (4, 2))

    y, dx = gradients(model, x, dy, lengths)
    together = host(model.flat_grads).copy()
    np.testing.assert_array_equal(host(model(dev(x), lengths=lengths)), y)
    model.zero_grad()
    want_y = np.zeros_like(y)
    for n, row in enumerate(rows):
        part = (slice(n, n + 1), slice(len(row))) if symbols else slice(n, n + 1)
        want_y[part], dx_alone = gradients(model, row[None], dy[part])
        if not symbols:
            np.testing.assert_allclose(host(dx)[n, : len(row)], host(dx_alone)[0], rtol=0, atol=1e-12)
            assert not host(dx)[n, len(row) :].any()
    np.testing.assert_allclose(y, want_y, rtol=0, atol=1e-12)
    np.testing.assert_allclose(together, host(model.flat_grads), rtol=0, atol=1e-12)


def test_layers_and_sizes_of_a_deep_classifier():
    model = nn.RNNClassifier(3, 4, 2, cell=nn.GRU, num_layers=2, bidirectional=True, rng=0)
    assert repr(model) == (
        "RNNClassifier(Bidirectional(GRU(3, 4, return_sequences=True)), Bidirectional(GRU(8, 4)), Dense(8, 2))"
    )
    with pytest.raises(ValueError, match="num_layers: expected a whole number of at least 1, got 0"):
        nn.RNNClassifier(3, num_layers=0)


def test_a_deep_classifier_is_saved_and_loaded(tmp_path, rng):
    models = [nn.RNNClassifier(3, 4, 2, num_layers=2, bidirectional=True, rng=seed) for seed in (0, 1)]
    nn.save(models[0], tmp_path / "model.safetensors")
    nn.load(models[1], tmp_path / "model.safetensors")
    x = dev(rng.standard_normal((2, 5, 3)), "float32")
    np.testing.assert_array_equal(*(host(model(x, lengths=[2, 5])) for model in models))
