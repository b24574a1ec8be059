"""Steps whose loss, gradient or parameters are not finite."""

import numpy as np
import pytest
from border import host, parameters

import xpnn as nn
from xpnn.training.nonfinite import Guard
from xpnn.training.score import NotFiniteError, Sums

pytestmark = pytest.mark.filterwarnings("ignore:.*(overflow|invalid|divide)")


class Faulty(nn.ReLU):
    """ReLU whose output or gradient is NaN in the n-th training pass."""

    def __init__(self, at, where):
        super().__init__()
        self.at, self.where, self.passes = at, where, 0

    def forward(self, x, needs_dx=True):
        y, backward = super().forward(x, needs_dx)
        if nn.inferring():
            return y, backward
        self.passes += 1
        wrong = float("nan") if self.passes == self.at else 1.0
        if self.where == "output":
            return y * nn.asarray(wrong, y.dtype), backward
        return y, lambda dy: backward(dy) * nn.asarray(wrong, y.dtype)


def trained(blobs, at=0, where="output", epochs=2, optimizer=None, **options):
    """Six steps an epoch."""
    model = nn.Sequential(nn.Dense(2, 8, rng=0), nn.BatchNorm1D(8), Faulty(at, where), nn.Dense(8, 3, rng=1))
    optimizer = optimizer or nn.Adam(0.01)
    error = None
    try:
        nn.fit(model, *blobs, epochs=epochs, batch_size=16, optimizer=optimizer, verbose=False, **options)
    except FloatingPointError as raised:
        error = str(raised)
    return model, optimizer, error


@pytest.mark.skipif(nn.xp is not np, reason="a device looks after the epoch")
@pytest.mark.parametrize(("where", "word"), [("output", "the loss is nan"), ("gradient", "the gradient is not finite")])
def test_a_run_stops_at_the_step_and_keeps_the_model_before_it(where, word, blobs):
    model, optimizer, error = trained(blobs, 9, where)
    assert f"fit: {word} in step 3 of epoch 2:" in error
    if where == "gradient":
        assert error.endswith("; first in the gradient of layer 1, BatchNorm1D(8)")
    before = []

    class Watch(nn.Callback):
        def on_batch_end(self, batch, logs):
            before.append((parameters(self.model), {k: host(v).copy() for k, v in self.model.buffers.items()}))

    trained(blobs, callbacks=[Watch()])
    np.testing.assert_array_equal(parameters(model), before[7][0])
    for name, buffer in before[7][1].items():
        np.testing.assert_array_equal(host(model.buffers[name]), buffer)
    assert optimizer.steps == 8
    assert not host(model.flat_grads).any()


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("size", [1, 2, 5, 6])
def test_every_element_of_the_gradient_is_looked_at(size, wrong):
    guard = Guard("skip", nn.Dense(1, 1), [], Sums())
    for others in (0.0, 1e30):  # of which the square is too large for the dtype
        guard.check(nn.xp.full(size, others, dtype="float32"))
        for place in range(size):
            grads = nn.xp.full(size, others, dtype="float32")
            grads[place] = wrong
            with pytest.raises(NotFiniteError, match="the gradient is not finite"):
                guard.check(grads)


def test_on_a_device_the_parameters_are_finite_too(blobs):
    model, _, error = trained(blobs, 9, "gradient")
    assert "of epoch 2" in error
    assert np.isfinite(parameters(model)).all()
    assert all(np.isfinite(host(buffer)).all() for buffer in model.buffers.values())


@pytest.mark.skipif(nn.xp is not np, reason="a device looks after the epoch, when the batch has gone")
def test_the_layer_whose_output_is_not_finite_is_named(blobs):
    model = nn.Sequential(nn.Dense(2, 4, rng=0), nn.Tanh(), nn.Dense(4, 3, rng=1))
    model.params["2.W"] = model.params["2.W"] * 0 + 3e38
    model.params["0.b"] = [9, 9, 9, 9]
    with pytest.raises(FloatingPointError, match=r"in step 1 of epoch 1.*; first in the output of layer 2, Dense\(4"):
        nn.fit(model, *blobs, epochs=1, verbose=False)
    assert np.isfinite(parameters(model)).all()
    assert all("forward" not in vars(leaf) for _, leaf in model.leaves())  # by which it was found


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("where", ["output", "gradient"])
def test_a_step_is_skipped_with_a_word(where, accumulate, blobs):
    with pytest.warns(RuntimeWarning, match="1 skipped, the first: fit: the .* in step .* of epoch 1: a lower") as said:
        model, optimizer, error = trained(blobs, 3, where, on_nonfinite="skip", accumulate=accumulate)
    assert error is None
    assert len([one for one in said if "skipped" in str(one.message)]) == 1  # in the second epoch none was
    assert optimizer.steps == 12 // accumulate - 1
    assert np.isfinite(parameters(model)).all()
    assert all(np.isfinite(host(buffer)).all() for buffer in model.buffers.values())


def test_what_is_ignored_spoils_the_model(blobs):
    model, optimizer, error = trained(blobs, 3, on_nonfinite="ignore", validation=blobs)
    assert error is None
    assert optimizer.steps == 12
    assert np.isnan(parameters(model)).any()


def test_parameters_that_overflow_in_the_update(blobs):
    class Wild(nn.SGD):
        def _update(self, params, grads, scalars, *state):
            done = super()._update(params, grads, scalars, *state)
            if self.steps == 5:
                params[0] = float("inf")
            return done

    model, _, error = trained(blobs, optimizer=Wild(0.1), epochs=1)
    assert "the model holds NaN or infinity after step 6 of epoch 1" in error
    assert np.isfinite(parameters(model)).all()


def test_a_gradient_whose_norm_alone_overflows_is_finite(blobs):
    x, y = (1e3 * blobs[0], np.full((90, 1), 1e18, "f"))  # a gradient whose square float32 does not hold
    model, loss = nn.Sequential(nn.Dense(2, 1, rng=0)), nn.HalfSquaredError()
    nn.fit(model, x, y, loss=loss, optimizer=nn.SGD(1e-30), epochs=1, verbose=False)


def test_what_is_no_action(blobs):
    with pytest.raises(ValueError, match="on_nonfinite to be stop, skip, ignore, got 'raise'"):
        trained(blobs, on_nonfinite="raise")
