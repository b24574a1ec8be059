"""The state of a recurrent layer over time, and the gradient for it by central differences."""

import numpy as np
import pytest
from border import dev, host

import xpnn as nn
from xpnn import plots


def difference(layer, head, x, t, component, label, eps=1e-6):
    """|dE/d(component of the state after step t)|: what follows is run from states that differ a little."""
    before, state, _ = layer.forward_from(dev(x[None, : t + 1]), None)
    state = [host(s).copy() for s in (state if isinstance(state, tuple) else (state,))]

    def energy(state):
        given = tuple(map(dev, state))
        h = [given[0][:, None]]
        if t + 1 < len(x):
            y, _, _ = layer.forward_from(dev(x[None, t + 1 :]), given if len(given) > 1 else given[0])
            h = [*h, y] if layer.return_sequences else [y[:, None]]
        h = nn.xp.concatenate([before[:, :t], *h] if layer.return_sequences else h, axis=1)
        return float(host(head(h if layer.return_sequences else h[:, -1]))[0, label])

    slopes = []
    for i in range(layer.hidden_size):
        moved = [[s.copy() for s in state] for _ in range(2)]
        moved[0][component][0, i] += eps
        moved[1][component][0, i] -= eps
        slopes.append((energy(moved[0]) - energy(moved[1])) / (2 * eps))
    return np.linalg.norm(slopes)


class Total(nn.Layer):
    """The sum over time, so that every step's output counts."""

    def forward(self, x, needs_dx=True):
        return x.sum(1), lambda dy: nn.xp.broadcast_to(dy[:, None], x.shape).copy()


@pytest.mark.parametrize(("cell", "sequences"), [(nn.RNN, False), (nn.GRU, True), (nn.LSTM, True)])
def test_states_and_gradients(cell, sequences, rng):
    layer = cell(2, 3, sequences, rng=rng, dtype="float64")
    head = nn.Sequential(*[Total()] * sequences, nn.Tanh(), nn.Dense(3, 4, rng=rng, dtype="float64"))
    x = rng.normal(size=(5, 2))
    above, _, below = plots.states(nn.Sequential(layer, head), x, 1).axes  # and between them the colour bar
    every = cell(2, 3, True, dtype="float64")
    every.params |= layer.params
    np.testing.assert_allclose(above.images[0].get_array(), host(every(dev(x[None])))[0].T, rtol=1e-12)
    assert len(below.lines) == len(layer.state_names)
    for component, line in enumerate(below.lines):
        expected = [difference(layer, head, x, t, component, 1) for t in range(5)]
        np.testing.assert_allclose(np.ma.filled(line.get_ydata(), 0), expected, rtol=1e-7, atol=1e-9)


def test_stacked_layers_and_symbols():
    model = nn.Sequential(nn.Embedding(3, 2, rng=0), nn.RNN(2, 3, True, rng=0), nn.GRU(3, 4, rng=0), nn.Dense(4, 2))
    figure = plots.states(model, np.array([0, 2, 1]))
    assert [axes.get_title() for axes in figure.axes if axes.get_title()] == ["1 RNN", "2 GRU"]
    assert not any(host(grad).any() for grad in model.grads.values())


def test_no_recurrent_layer():
    with pytest.raises(ValueError, match="MLP has no recurrent layer"):
        plots.states(nn.MLP((3, 2)), np.zeros(3))
    with pytest.raises(ValueError, match="expected 1 labels from 0 to 9"):
        plots.states(nn.RNNClassifier(3, 4), np.zeros((2, 3)), label=10)
