"""The learning-rate range test: how the loss responds to growing rates."""

import copy
import math
from itertools import chain, repeat
from typing import Any, NamedTuple

import numpy as np

from ..backend import Rng, explained, to_numpy
from ..layers import Layer, Loss
from ..layers.inference import rehearsal
from ..layers.settings import positive
from .adam import Adam
from .given import source_of
from .inputs import check_model
from .optimizer import Optimizer
from .steps import fit_targets, rehearse

_KEPT = 0.9  # the share of the running mean of losses that a step keeps
_DIVERGED = 4.0  # a loss that is this many times the lowest ends the test


class LRSearch(NamedTuple):
    """The result of :func:`find_lr`.

    Attributes:
        rates: the rates tried, up to the one at which the loss diverged.
        losses: the smoothed losses, each measured before the step with its rate.
        suggestion: a tenth of the rate at the lowest loss.

    >>> LRSearch(rates=np.array([0.1, 1.0]), losses=np.array([2.0, 1.0]), suggestion=0.1).suggestion
    0.1
    """

    rates: np.ndarray
    losses: np.ndarray
    suggestion: float


@explained
def find_lr(
    model: Layer,
    x: Any,
    y: Any = None,
    *,
    sample_weight: Any = None,
    class_weight: Any = None,
    lengths: Any = None,
    loss: Loss | None = None,
    optimizer: Optimizer | None = None,
    batch_size: int = 64,
    low: float = 1e-6,
    high: float = 10.0,
    steps: int = 100,
    rng: Rng = 0,
) -> LRSearch:
    """Train a copy of the model with a rate that grows from step to step, and find where the loss is lowest::

        rate_k = low (high / low)^(k / (steps - 1))             k = 0, 1, ...
        m_k    = 0.9 m_{k-1} + 0.1 E_k                          E_k the loss of a batch, m_{-1} = 0
        loss_k = m_k / (1 - 0.9^(k + 1))

    The test ends early at a loss of more than 4 times the lowest, or not finite. Model and optimiser do not change.

    Args:
        model, x, y, sample_weight, class_weight, lengths, loss, batch_size, rng: as for :func:`fit`.
        optimizer: the optimiser that training will use, by default Adam(); its own rate is not used.
        low, high: the first and the last rate.
        steps: the number of rates; the data are repeated as often as necessary.

    Raises:
        ValueError, TypeError: as for :func:`fit`; or not 0 < low < high.
        FloatingPointError: the first loss is not finite.

    Source: Smith, "Cyclical learning rates for training neural networks", 2017, section 3.3; a tenth as in fastai.

    >>> x, y = np.random.default_rng(0).normal(size=(96, 8)), np.arange(96) % 2
    >>> found = find_lr(MLP((8, 16, 2), rng=0), x, y, optimizer=SGD(momentum=0.9), batch_size=16)
    >>> optimizer = SGD(found.suggestion, momentum=0.9)
    """
    check_model("find_lr", model)
    positive(batch_size=batch_size, steps=steps)
    if not 0 < low < high < math.inf:
        raise ValueError(f"find_lr: expected 0 < low < high, got {low} and {high}")
    trial, optimizer = copy.deepcopy((model, optimizer or Adam()))
    source = source_of("find_lr", trial, x, y, sample_weight, lengths)
    loss, _ = fit_targets(source, trial, loss, class_weight)
    rehearse(source, trial, loss, batch_size, rehearsal())
    rng, losses = np.random.default_rng(rng), list[float]()
    batches = chain.from_iterable(source.pass_over(batch_size, rng) for _ in repeat(None))
    mean, rates = 0.0, np.geomspace(low, high, steps)
    with np.errstate(over="ignore", invalid="ignore"):  # divergence is expected here
        for rate, batch in zip(rates, batches, strict=False):
            optimizer.lr = float(rate)
            outputs, backward = batch.forward(trial)
            value, loss_backward = loss.forward(outputs, *batch.targets)
            mean = _KEPT * mean + (1 - _KEPT) * float(to_numpy(value))
            losses.append(mean / (1 - _KEPT ** (len(losses) + 1)))
            if not losses[-1] <= _DIVERGED * min(losses):  # true of NaN, too
                break
            backward(loss_backward())
            optimizer.step(trial)
    if not np.isfinite(losses[0]):
        raise FloatingPointError(f"find_lr: the first loss is {losses[0]}, before any step")
    return LRSearch(rates[: len(losses)], np.array(losses), float(rates[np.nanargmin(losses)] / 10))
