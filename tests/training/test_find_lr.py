"""The learning-rate range test."""

import copy

import numpy as np
import pytest
from border import dev, host, parameters

import xpnn as nn


def test_rates_losses_and_suggestion_are_those_of_steps_by_hand(blobs):
    model, loss, rates = nn.MLP((2, 8, 3), rng=0), nn.SoftmaxCrossEntropy(), np.geomspace(1e-3, 1.0, 20)
    found = nn.find_lr(model, *blobs, optimizer=nn.SGD(9.0, 0.9), batch_size=45, low=1e-3, high=1.0, steps=20, rng=1)
    trial, optimizer, rng, losses = copy.deepcopy(model), nn.SGD(9.0, 0.9), np.random.default_rng(1), []
    for k, rate in enumerate(rates):
        if k % 2 == 0:
            two = list(nn.batches(*blobs, 45, rng))
        x, y = map(nn.asarray, two[k % 2])
        optimizer.lr = rate
        outputs, backward = trial.forward(x)
        value, loss_backward = loss.forward(outputs, y)
        losses.append(float(host(value)))
        backward(loss_backward())
        optimizer.step(trial)
    weights = [0.9 ** np.arange(k, -1, -1) for k in range(20)]
    np.testing.assert_allclose(found.rates, rates)
    np.testing.assert_allclose(found.losses, [np.average(losses[: len(w)], weights=w) for w in weights], rtol=1e-5)
    assert found.suggestion == pytest.approx(found.rates[found.losses.argmin()] / 10)


def test_model_and_optimiser_stay_and_the_suggestion_trains(blobs):
    model = nn.Sequential(
        nn.Dense(2, 16, rng=0), nn.BatchNorm1D(16), nn.ReLU(), nn.Dropout(0.1, rng=1), nn.Dense(16, 3)
    )
    optimizer, before = nn.Adam(0.5), parameters(model)
    buffers = {key: host(value).copy() for key, value in model.buffers.items()}
    found = nn.find_lr(model, *blobs, optimizer=optimizer, batch_size=30)
    np.testing.assert_array_equal(parameters(model), before)
    assert all((host(value) == buffers[key]).all() for key, value in model.buffers.items())
    assert (optimizer.lr, optimizer.steps) == (0.5, 0)
    history = nn.fit(model, *blobs, optimizer=nn.Adam(found.suggestion), epochs=8, batch_size=30, verbose=False)
    assert history[-1]["accuracy"] > 0.9


def test_it_ends_where_the_loss_diverges(blobs):
    x, y = blobs[0], blobs[0] @ np.ones((2, 1))
    found = nn.find_lr(nn.MLP((2, 8, 1), rng=0), x, y, optimizer=nn.SGD(), batch_size=30)
    assert len(found.rates) == len(found.losses) < 100
    assert not found.losses[-1] <= 4 * found.losses.min()


def test_batches_may_come_from_elsewhere(blobs):
    model = nn.MLP((2, 8, 3), rng=0)
    some = list(nn.batches(*blobs, 30))
    for batches in (some, lambda: iter(some)):
        found = nn.find_lr(model, batches, low=1e-9, high=1e-8, steps=3)
        wanted = [float(host(nn.SoftmaxCrossEntropy()(model(dev(x, "float32")), dev(y)))) for x, y in some]
        mean = [np.average(wanted[: k + 1], weights=0.9 ** np.arange(k, -1, -1)) for k in range(3)]
        np.testing.assert_allclose(found.losses, mean, rtol=1e-5)


def test_wrong_arguments(blobs):
    model = nn.MLP((2, 3), rng=0)
    with pytest.raises(ValueError, match="find_lr: expected 0 < low < high, got 1 and 0.1"):
        nn.find_lr(model, *blobs, low=1, high=0.1)
    with pytest.raises(ValueError, match="steps"):
        nn.find_lr(model, *blobs, steps=0)
    model.params["0.b"] = [np.nan] * 3
    with pytest.raises(FloatingPointError, match="find_lr: the first loss is nan"):
        nn.find_lr(model, *blobs)
