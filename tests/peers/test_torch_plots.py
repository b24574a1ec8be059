"""The gradient norms that ``plots.states`` draws against PyTorch's autograd, through two recurrent layers."""

import numpy as np
import torch

import xpnn as nn


def test_gradient_norms_of_stacked_layers():
    rng = np.random.default_rng(0)
    options = {"rng": rng, "dtype": "float64"}
    model = nn.Sequential(nn.RNN(2, 3, True, **options), nn.RNN(3, 4, **options), nn.Dense(4, 2, **options))
    x = rng.normal(size=(6, 2))
    inputs = list(torch.tensor(x))
    every = []
    for layer in model.layers[:2]:
        W_x, W_h, b = (torch.tensor(nn.to_numpy(layer.params[key])) for key in ("W_x", "W_h", "b"))
        h, states = torch.zeros(len(b), dtype=torch.float64), []
        for x_t in inputs:
            h = torch.tanh(W_x @ x_t + W_h @ h + b).requires_grad_()
            h.retain_grad()
            states.append(h)
        every.append(states)
        inputs = states
    W, b = (torch.tensor(nn.to_numpy(model.layers[2].params[key])) for key in ("W", "b"))
    (W @ h + b)[1].backward()
    lines = [axes.lines[0] for axes in nn.plots.states(model, x, label=1).axes if axes.lines]
    for line, states in zip(lines, every, strict=True):
        np.testing.assert_allclose(line.get_ydata(), [float(h.grad.norm()) for h in states], rtol=1e-10)
        assert len(states) == len(line.get_xdata())
