"""The running mean of the parameters."""

import numpy as np
import pytest
from border import dev, parameters

import xpnn as nn


def test_the_model_has_its_own_parameters_again_even_after_an_error():
    model = nn.Sequential(nn.Dense(2, 2, rng=0, dtype="float64"), nn.BatchNorm1D(2, dtype="float64"))
    ema, first = nn.EMA(model, 0.75), parameters(model)
    model.forward(dev(np.ones((3, 2))))  # the buffers change
    buffers = model.buffers.copy()
    model.flat_params[...] += 1
    ema.update()
    with ema.averaged():
        np.testing.assert_allclose(parameters(model), first + 0.25, rtol=1e-14)
        assert all((model.buffers[key] == value).all() for key, value in buffers.items())
    np.testing.assert_array_equal(parameters(model), first + 1)
    with pytest.raises(ValueError, match="is empty"), ema.averaged():
        nn.evaluate(model, np.ones((0, 2)), np.ones(0))
    np.testing.assert_array_equal(parameters(model), first + 1)


def test_wrong_settings_and_another_model():
    with pytest.raises(ValueError, match="EMA: expected 0 <= decay < 1, got 1"):
        nn.EMA(nn.Dense(1, 1), 1.0)
    with pytest.raises(TypeError, match="EMA: expected a network, got 0.9"):
        nn.EMA(0.9)
    model = nn.Sequential(nn.Dense(2, 2))
    ema = nn.EMA(model)
    model.layers.append(nn.Dense(2, 1))
    with pytest.raises(ValueError, match="EMA: the mean is of 6 parameters, the model has 9"):
        ema.update()
    with pytest.raises(ValueError, match=r"EMA: expected the mean of 6 parameters, got shape \(5,\)"):
        ema.load_state_dict({"mean": np.zeros(5)})
