"""The schedules of the learning rate."""

import numpy as np
import pytest

import xpnn as nn


def test_schedules(run):
    cosine = nn.CosineDecay(0.2, steps=10, warmup=2)
    assert [cosine(k) for k in (0, 1, 2, 6, 10, 11)] == pytest.approx([0.1, 0.2, 0.2, 0.1, 0, 0])
    step = nn.StepDecay(1.0, every=3, factor=0.5)
    assert [step(k) for k in (0, 2, 3, 6)] == [1, 1, 0.5, 0.25]
    one_cycle = nn.OneCycle(1.0, steps=11, pct_start=0.5, div_factor=10, final_div_factor=10)
    assert [one_cycle(k) for k in (0, 10, 11, 99)] == pytest.approx([0.1, 0.01, 0.01, 0.01])
    assert [nn.Warmup(0.2, 2)(k) for k in (0, 1, 9)] == [0.1, 0.2, 0.2]
    assert nn.Warmup(nn.CosineDecay(0.2, 8), 2)(5) == cosine(5)
    assert run(nn.SGD(nn.StepDecay(0.1, every=1, factor=0.1)), 2) == pytest.approx([1.8, 1.8 * 0.99])


@pytest.mark.parametrize(
    "make", [np.float32, np.array, lambda rate: np.array([rate]), lambda rate: nn.xp.asarray(rate)]
)
def test_a_rate_may_be_an_array_of_one_element(make, tmp_path):
    optimizer, model = nn.Adam(lambda step: make(0.5 ** (step + 1))), nn.MLP((1, 2))
    history = nn.fit(model, np.ones((4, 1)), np.arange(4) % 2, epochs=2, optimizer=optimizer, verbose=False)
    assert history.column("lr") == [0.5, 0.25]
    assert {type(rate) for rate in history.column("lr")} == {float}
    history.to_csv(tmp_path / "h.csv")
    assert nn.History.from_csv(tmp_path / "h.csv") == history


@pytest.mark.parametrize("rate", [None, np.ones(2), "fast"])
def test_a_rate_that_is_none(rate):
    with pytest.raises(ValueError, match="SGD: expected a rate of at least 0, got -1.0 for step 0"):
        _ = nn.SGD(lambda step: -1.0).rate
    with pytest.raises(TypeError, match="SGD: expected the schedule to give a number, got .* for step 0"):
        nn.SGD(lambda step: rate).rate  # noqa: B018


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.CosineDecay(0.1, 0),
        lambda: nn.CosineDecay(np.nan, 5),
        lambda: nn.StepDecay(0.1, 0),
        lambda: nn.OneCycle(0, 10),
        lambda: nn.OneCycle(0.1, 3),
        lambda: nn.OneCycle(0.1, 10, div_factor=0.5),
        lambda: nn.Warmup(0.1, 0),
        lambda: nn.Warmup(-1.0, 5),
    ],
)
def test_wrong_settings(make):
    with pytest.raises(ValueError, match="expected"):
        make()


def test_a_schedule_that_has_ended_before_the_run():
    """Its steps may have been taken for epochs; nothing is trained any more."""
    x, y, model = np.zeros((4, 2)), np.zeros(4, int), nn.MLP((2, 2), rng=0)
    options = {"epochs": 3, "batch_size": 2, "verbose": False}
    with pytest.warns(UserWarning, match=r"learning rate of 0: CosineDecay\(lr=0.1, steps=3, warmup=0\) has ended"):
        nn.fit(model, x, y, optimizer=nn.SGD(nn.CosineDecay(0.1, 3)), **options)
    nn.fit(model, x, y, optimizer=nn.SGD(nn.CosineDecay(0.1, 6)), **options)
    nn.fit(model, x, y, optimizer=nn.SGD(lambda step: 0.1 * step), **options)  # from 0 on
