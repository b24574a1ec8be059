"""The losses against torch.nn.functional over drawn configurations; ``against_torch`` states the bounds."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peers.against_torch import BATCH, LAYOUTS, PROPERTY, SEEDS, Comparison, differentiate, normal, place
from torch.nn import functional

import xpnn as nn

LAYOUT = st.sampled_from(LAYOUTS)
dtypes = pytest.mark.parametrize("dtype", ["float64", "float32"])


def agree(measured, loss, reference, outputs, targets, layouts, rng, *, terms, most_value, most_gradient):
    """Compare the loss and its gradient, asked for twice, with PyTorch's; ``most_*`` are the float32 bounds' M."""
    placed = [place(values, layout, rng) for values, layout in zip((outputs, targets), layouts, strict=True)]
    value, backward = loss.forward(*placed)
    want_value, (want,) = differentiate(lambda o: reference(o, torch.tensor(targets)), {"o": outputs}, [np.ones(())])
    compare = Comparison(measured, repr(loss), type(loss).__name__, outputs.dtype, terms)
    compare("E", value, want_value, np.asarray(most_value))
    for _ in range(2):
        compare("dE/do", backward(), want["o"], np.asarray(most_gradient))
    for before, after in zip((outputs, targets), placed, strict=True):
        assert np.array_equal(nn.to_numpy(after), before), f"{loss} changed its input"


@dtypes
@PROPERTY
@given(
    BATCH, st.none() | st.integers(1, 6), st.integers(1, 12), st.sampled_from("Bil"), st.tuples(LAYOUT, LAYOUT), SEEDS
)
def test_softmax_cross_entropy(measured, dtype, batch, steps, classes, integers, layouts, seed):
    """(N, K) and (N, T, K). In float32, for K logits within a range R: see the softmax's bound.

    log sum exp errs by (R + K + 8) u and by the logarithm's 8 u log K, z_t - max by R u; then the mean of n: in all no
    more than (R + K + n + 18) u (R + log K + 1). The gradient, (a - 1) / n or a / n, errs by (2 R + K + 17 + 3) u / n.
    """
    rng = np.random.default_rng(seed)
    shape = (batch, classes) if steps is None else (batch, steps, classes)
    z, labels = 3 * normal(rng, shape, dtype), rng.integers(classes, size=shape[:-1]).astype(integers)
    spread, n = math.ceil(np.ptp(z)), labels.size
    agree(
        measured,
        nn.SoftmaxCrossEntropy(),
        cross_entropy,
        z,
        labels,
        layouts,
        rng,
        terms=2 * spread + classes + n + 20,
        most_value=spread + math.log(classes) + 1,
        most_gradient=np.full(shape, 1 / n),
    )


@dtypes
@PROPERTY
@given(BATCH, st.none() | st.integers(1, 6), st.integers(1, 12), st.booleans(), st.tuples(LAYOUT, LAYOUT), SEEDS)
def test_softmax_cross_entropy_of_probabilities(measured, dtype, batch, steps, classes, one_hot, layouts, seed):
    """As for labels, of which these are means; a row's weighted sum has K terms more."""
    rng = np.random.default_rng(seed)
    shape = (batch, classes) if steps is None else (batch, steps, classes)
    z = 3 * normal(rng, shape, dtype)
    labels = rng.integers(classes, size=shape[:-1])
    p = np.eye(classes)[labels] if one_hot else rng.dirichlet(np.ones(classes), shape[:-1])
    spread, n = math.ceil(np.ptp(z)), z.size // classes
    agree(
        measured,
        nn.SoftmaxCrossEntropy(),
        lambda z, p: functional.cross_entropy(z.reshape(-1, classes), p.double().reshape(-1, classes)),
        z,
        p.astype(dtype),
        layouts,
        rng,
        terms=2 * spread + 2 * classes + n + 20,
        most_value=spread + math.log(classes) + 1,
        most_gradient=np.full(shape, 1 / n),
    )


def cross_entropy(z, labels):
    return functional.cross_entropy(z if z.ndim == 2 else z.transpose(1, 2), labels.long())  # classes come second


@dtypes
@PROPERTY
@given(BATCH, st.lists(st.integers(1, 5), max_size=3), st.tuples(LAYOUT, LAYOUT), SEEDS)
def test_half_squared_error(measured, dtype, batch, others, layouts, seed):
    """1/2 the sum of squares over N. In float32 o - y errs by u, its square by 3 u; scale and product add 2 u."""
    rng = np.random.default_rng(seed)
    o, y = normal(rng, (batch, *others), dtype), normal(rng, (batch, *others), dtype)

    def half_squared_error(o, y):
        return functional.mse_loss(o, y.double(), reduction="sum") / (2 * len(o))

    value, gradient = ((o - y.astype("float64")) ** 2).sum() / (2 * batch), abs(o - y.astype("float64")) / batch
    agree(
        measured,
        nn.HalfSquaredError(),
        half_squared_error,
        o,
        y,
        layouts,
        rng,
        terms=o.size + 5,
        most_value=value,
        most_gradient=gradient,
    )


@dtypes
def test_softmax_cross_entropy_far_from_zero(dtype):
    """Logits at which exp overflows; the label's own or another one the largest."""
    z = np.array([[1e4, -1e4, 0.0], [1e4, -1e4, 0.0], [-1e4, -1e4, -1e4]], dtype)
    labels = np.array([0, 1, 2])
    value, backward = nn.SoftmaxCrossEntropy().forward(nn.asarray(z, dtype), nn.asarray(labels))
    want_value, (want,) = differentiate(lambda z: cross_entropy(z, torch.tensor(labels)), {"z": z}, [np.ones(())])
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(nn.to_numpy(value), want_value, rtol=4 * eps)
    np.testing.assert_allclose(nn.to_numpy(backward()), want["z"], rtol=4 * eps, atol=0)
