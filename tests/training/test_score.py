"""What is not finite, in the step, the epoch or the data in which it first is."""

import numpy as np
import pytest
from border import host

import xpnn as nn
from xpnn.layers.parameters import Parameters

N = 12


def fitted(model, x, y, **options):
    """Trained one sample at a time, with NumPy's own warnings off."""
    with np.errstate(all="ignore"):
        return nn.fit(model, x, y, **{"batch_size": 1, "optimizer": nn.SGD(1e-30), "verbose": False} | options)


def epoch_and_step(sample: int, seed: int = 0, epoch: int = 1) -> str:
    """Where the sample comes up, by the shuffles of a run with this seed."""
    rng = np.random.default_rng(seed)
    order = [rng.permutation(N).tolist() for _ in range(epoch)][-1]
    return f"step {order.index(sample) + 1} of epoch {epoch}:"


@pytest.mark.parametrize("sample", range(0, N, 3))
def test_an_infinite_loss_names_its_step(sample):
    x, y = np.ones((N, 1)), np.ones((N, 1))
    y[sample] = 1e30  # whose square float32 does not hold
    model, seen = nn.Sequential(nn.Dense(1, 1, rng=0)), []
    with pytest.raises(FloatingPointError, match=f"the loss is inf in {epoch_and_step(sample)}"):
        fitted(model, x, y, on_epoch_end=seen.append)
    assert seen == []


@pytest.mark.parametrize("sample", range(0, N, 3))
def test_a_loss_that_is_nan_names_its_step(sample):
    x, y = np.ones((N, 1)), np.arange(N) % 2
    x[sample] = 1e30
    model = nn.Sequential(nn.Dense(1, 2, rng=0))
    model.params["0.W"] = [[1e30], [1e30]]  # logits of infinity, and NaN for their difference
    with pytest.raises(FloatingPointError, match=f"the loss is nan in {epoch_and_step(sample)}"):
        fitted(model, x, y)


def test_a_step_of_a_later_epoch():
    x, y, model = np.ones((N, 1)), np.ones((N, 1)), nn.Sequential(nn.Dense(1, 1, rng=0))

    def spoil(history):
        y[3] = 1e30

    with pytest.raises(FloatingPointError, match=epoch_and_step(3, epoch=2)):
        fitted(model, x, y, on_epoch_end=spoil)


@pytest.mark.skipif(nn.xp is not np, reason="a device is not asked within an epoch")
def test_on_the_host_the_first_such_loss_ends_the_run_before_its_update():
    x, y = np.ones((N, 1)), np.full((N, 1), 1e30)
    model, optimizer = nn.Sequential(nn.Dense(1, 1, rng=0)), nn.SGD(1.0)
    with pytest.raises(FloatingPointError, match="step 1 of epoch 1"):
        fitted(model, x, y, optimizer=optimizer)
    assert optimizer.steps == 0
    assert np.isfinite(model.flat_params).all()


@pytest.mark.parametrize("value", [-np.inf, np.nan])
def test_an_epoch_whose_last_update_diverges(value):
    x, y = np.ones((N, 1)), np.full((N, 1), 100.0)
    model, seen = nn.Sequential(nn.Dense(1, 1, rng=0)), []

    class Wild(nn.SGD):
        def step(self, model):  # which is never captured
            super().step(model)
            if self.steps == 2 * N:
                model.flat_params[0] = value

    optimizer = Wild(1e-9)
    with pytest.raises(FloatingPointError, match=f"the model holds NaN or infinity after step {N} of epoch 2:"):
        fitted(model, x, y, optimizer=optimizer, on_epoch_end=lambda history: seen.append(len(history)))
    assert seen == [1]


def test_a_buffer_that_overflows():
    x = np.array([[1e25], [-1e25]] * N)  # their variance is infinite, and the output 0
    model = nn.Sequential(nn.BatchNorm1D(1), nn.Dense(1, 1, rng=0))
    with pytest.raises(FloatingPointError, match="the model holds NaN or infinity after step 12 of epoch 1:"):
        fitted(model, x, np.zeros((2 * N, 1)), batch_size=2)


def test_a_buffer_that_is_to_be_infinite():
    class Masked(nn.Layer):
        def __init__(self):
            super().__init__()
            self.buffers = Parameters(mask=nn.asarray([0.0, -np.inf, 0.0]))

        def forward(self, x, needs_dx=True):
            return x + self.buffers["mask"], lambda dy: dy

    model = nn.Sequential(nn.Dense(1, 3, rng=0), Masked())
    assert len(fitted(model, np.ones((N, 1)), np.zeros(N, int), epochs=1)) == 1


def test_validation_that_is_not_finite():
    x, y, seen = np.ones((N, 1)), np.ones((N, 1)), []
    far = (np.ones((300, 1)), np.repeat([1.0, 1e30], [299, 1])[:, None])  # in the second batch of validation
    with pytest.raises(FloatingPointError, match="the loss is inf in step 2 of epoch 1's validation"):
        fitted(nn.Sequential(nn.Dense(1, 1, rng=0)), x, y, validation=far, on_epoch_end=seen.append)
    assert seen == []


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_model_that_is_not_finite_before(value):
    model = nn.MLP((1, 2, 1), rng=0)
    model.params["2.b"] = [value]
    with pytest.raises(FloatingPointError, match=r"2\.b of the model holds NaN or infinity before the first step"):
        fitted(model, np.ones((N, 1)), np.ones((N, 1)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_inference_of_such_a_model_warns(value):
    model = nn.MLP((1, 2, 1), rng=0)
    model.params["2.b"] = [value]
    x = np.ones((N, 1))
    with pytest.warns(RuntimeWarning, match="predict: the outputs hold NaN or infinity in row 0"):
        assert not np.isfinite(nn.predict(model, x)).any()
    with pytest.warns(RuntimeWarning, match=f"evaluate: the loss is {value}") as warned:
        nn.evaluate(model, x, x)
    assert warned[0].filename == __file__


def test_inference_that_overflows_in_one_row_warns():
    model = nn.Sequential(nn.Dense(1, 1))
    model.params["0.W"] = [[1e30]]
    x = np.ones((N, 1))
    x[7] = 1e30
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match="infinity in row 7"):
        assert np.isfinite(nn.predict(model, x, batch_size=3)).sum() == N - 1


def test_the_sums_are_those_of_finite_losses(rng):
    x = rng.standard_normal((N, 1))
    model = nn.Sequential(nn.Dense(1, 1, rng=0))
    history = fitted(model, x, x, epochs=1)
    expected = 0.5 * ((nn.predict(model, x).ravel() - host(nn.asarray(x)).ravel()) ** 2).mean()
    assert history[0]["loss"] == pytest.approx(expected, rel=1e-5)
