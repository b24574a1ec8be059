"""Inference on a data set: ``evaluate`` and ``predict``."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..backend import explained, to_numpy
from ..backend.shared.data import not_finite
from ..layers import Layer, Loss
from ..layers.base import of_several, several
from ..layers.settings import positive
from .given import source_of
from .inputs import check_model
from .metrics import Metric, Metrics
from .score import Score, Sums
from .steps import fit_inputs, fit_targets, groups, run_pass, scoring_step

BATCH = 256  # samples per batch: nothing is kept for backward


@explained
def evaluate(
    model: Layer,
    x: Any,
    y: Any = None,
    *,
    loss: Loss | None = None,
    batch_size: int = BATCH,
    sample_weight: Any = None,
    lengths: Any = None,
    metrics: "Mapping[str, Metric] | Sequence[Metric | str]" = (),
) -> Score:
    """Mean loss and accuracy over a data set, by inference. Arguments and errors as for :func:`fit`.

    Warns (RuntimeWarning) if the loss is not finite.

    >>> score = evaluate(MLP((3, 2), rng=0), np.ones((4, 3)), np.array([0, 1, 0, 1]), metrics=["f1"])
    >>> score.accuracy, list(score.metrics)
    (0.5, ['f1'])
    """
    check_model("evaluate", model)
    positive(batch_size=batch_size)
    source, sums = source_of("evaluate", model, x, y, sample_weight, lengths), Sums()
    loss, _ = fit_targets(source, model, loss)
    batches = groups(source.pass_over(batch_size), 1)
    score = run_pass(batches, scoring_step(model, loss, sums), sums, Metrics(metrics, loss))
    if not np.isfinite(score.loss):
        warnings.warn(f"evaluate: the loss is {score.loss}", RuntimeWarning, stacklevel=3)
    return score


@explained
def predict(model: Layer, x: Any, *, batch_size: int = BATCH, lengths: Any = None) -> Any:
    """The model's outputs (a classifier's logits), on the host: an array, or a tuple of them for several outputs.

    Arguments and errors as for :func:`fit`.

    The targets of batches (x, y) are not used. If there are outputs for each step of sequences of different lengths,
    they are 0 after each sequence's end. Warns (RuntimeWarning) if outputs are not finite. An array of no samples gives
    outputs of no samples.

    >>> labels = predict(MLP((3, 2), rng=0), np.ones((4, 3))).argmax(1)
    """
    check_model("predict", model)
    positive(batch_size=batch_size)
    if getattr(x, "shape", ())[:1] == (0,):  # a single made-up sample shows the shape of an output
        return of_several([one[:0] for one in several(predict(model, np.zeros((1, *x.shape[1:]), x.dtype)))])
    source = source_of("predict", model, x, lengths=lengths, targets=False)
    if source.may_have_integers:
        fit_inputs(source, model)
    batches = [tuple(map(to_numpy, several(batch.infer(model)))) for batch in source.pass_over(batch_size)]
    outputs = [_joined(parts) for parts in zip(*batches, strict=True)]
    for one in outputs:
        if fault := not_finite(one, one.dtype):
            warnings.warn(f"predict: the outputs hold NaN or infinity in row {fault[0]}", RuntimeWarning, stacklevel=3)
    return of_several(outputs)


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """The outputs of all batches; padded sequences get as many steps as the longest."""
    if len({part.shape[1:] for part in parts}) == 1:
        return np.concatenate(parts)
    steps = max(part.shape[1] for part in parts)
    return np.concatenate(
        [np.pad(part, [(0, 0), (0, steps - part.shape[1]), *[(0, 0)] * (part.ndim - 2)]) for part in parts]
    )
