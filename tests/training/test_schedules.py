"""The schedules of the learning rate."""

import numpy as np
import pytest

import xpnn as nn


def test_schedules(run):
    cosine = nn.CosineDecay(0.2, steps=10, warmup=2)
    assert [cosine(k) for k in (0, 1, 2, 6, 10, 11)] == pytest.approx([0.1, 0.2, 0.2, 0.1, 0, 0])
    step = nn.StepDecay(1.0, every=3, factor=0.5)
    assert [step(k) for k in (0, 2, 3, 6)] == [1, 1, 0.5, 0.25]
    assert run(nn.SGD(nn.StepDecay(0.1, every=1, factor=0.1)), 2) == pytest.approx([1.8, 1.8 * 0.99])


@pytest.mark.parametrize(
    "make", [lambda: nn.CosineDecay(0.1, 0), lambda: nn.CosineDecay(np.nan, 5), lambda: nn.StepDecay(0.1, 0)]
)
def test_wrong_settings(make):
    with pytest.raises(ValueError, match="expected"):
        make()
