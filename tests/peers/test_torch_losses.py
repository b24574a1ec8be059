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


# every option in float64, against PyTorch's own


def both(loss, reference, outputs, targets, weights=None):
    """The loss and PyTorch's function: value and gradient to 1e-10."""
    carried = [
        None if a is None else nn.asarray(a, "float64" if a.dtype.kind == "f" else None) for a in (targets, weights)
    ]
    value, backward = loss.forward(nn.asarray(outputs, "float64"), *carried)
    want, (gradients,) = differentiate(reference, {"o": outputs}, [np.ones(())])
    np.testing.assert_allclose(nn.to_numpy(nn.xp.asarray(value)), want, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(nn.to_numpy(backward()), gradients["o"], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("ignore", [-100, 2])
@pytest.mark.parametrize("steps", [(), (3,)])
def test_cross_entropy_s_options(rng, smoothing, ignore, steps):
    z, t = rng.standard_normal((6, *steps, 5)), rng.integers(0, 5, (6, *steps))
    t[::2] = ignore
    loss, labels = nn.SoftmaxCrossEntropy(smoothing, ignore), torch.tensor(t)
    options = {"label_smoothing": smoothing, "ignore_index": ignore}

    def reference(o, **more):
        return functional.cross_entropy(o.movedim(-1, 1), labels, **options, **more)

    both(loss, reference, z, t)
    if not smoothing:  # PyTorch smooths by the weights of the other classes, ours are of samples
        w = rng.random(5)
        both(loss, lambda o: reference(o, weight=torch.tensor(w)), z, t, np.where(t == ignore, 7.0, w[t % 5]))
    w = rng.random(t.shape)

    def weighted(o):
        return (torch.tensor(w) * reference(o, reduction="none")).sum() / torch.tensor(w)[labels != ignore].sum()

    both(loss, weighted, z, t, w)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_of_soft_targets(rng, smoothing):
    z, p, w = rng.standard_normal((6, 3, 5)), rng.dirichlet(np.ones(5), (6, 3)), rng.random(6)
    loss = nn.SoftmaxCrossEntropy(smoothing)

    def reference(o, **more):
        return functional.cross_entropy(
            o.movedim(-1, 1), torch.tensor(p).movedim(-1, 1), label_smoothing=smoothing, **more
        )

    both(loss, reference, z, p)
    both(loss, lambda o: torch.tensor(w) @ reference(o, reduction="none").mean(1) / w.sum(), z, p, w)


ELEMENTWISE = [
    (nn.MeanSquaredError(), functional.mse_loss, {}),
    (nn.MeanAbsoluteError(), functional.l1_loss, {}),
    (nn.Huber(), functional.huber_loss, {}),
    (nn.Huber(0.3), functional.huber_loss, {"delta": 0.3}),
    (nn.PoissonNLL(), functional.poisson_nll_loss, {}),
    (nn.PoissonNLL(log_input=False), functional.poisson_nll_loss, {"log_input": False}),
    (nn.BinaryCrossEntropy(), functional.binary_cross_entropy_with_logits, {}),
    (nn.BinaryCrossEntropy(2.5), functional.binary_cross_entropy_with_logits, {"pos_weight": [2.5]}),
    (nn.BinaryCrossEntropy([0.5, 1, 3]), functional.binary_cross_entropy_with_logits, {"pos_weight": [0.5, 1, 3]}),
]


@pytest.mark.parametrize(("loss", "function", "options"), ELEMENTWISE, ids=[repr(case[0]) for case in ELEMENTWISE])
@pytest.mark.parametrize("kind", ["real", "whole"])
def test_losses_of_each_output(rng, loss, function, options, kind):
    options = {key: torch.tensor(value).double() if key == "pos_weight" else value for key, value in options.items()}
    o, y = 3 * rng.standard_normal((5, 4, 3)), rng.random((5, 4, 3))
    o = abs(o) if "log_input" in options else o
    y = rng.integers(0, 2, y.shape) if kind == "whole" else y
    o[0], y[0] = 1, 1  # a difference of 0

    def reference(o, **more):
        return function(o, torch.tensor(y).double(), **options, **more)

    both(loss, reference, o, y)
    for w in rng.random(5), rng.random((5, 4)), rng.random((5, 4, 3)):
        whole = torch.tensor(w).reshape(*w.shape, *[1] * (3 - w.ndim)).expand(5, 4, 3)
        both(loss, lambda o, whole=whole: (whole * reference(o, reduction="none")).sum() / whole.sum(), o, y, w)


def test_half_squared_error_with_weights(rng):
    o, y, w = rng.standard_normal((5, 4)), rng.standard_normal((5, 4)), rng.random(5)
    both(
        nn.HalfSquaredError(),
        lambda o: torch.tensor(w) @ functional.mse_loss(o, torch.tensor(y), reduction="none").sum(1) / (2 * w.sum()),
        o,
        y,
        w,
    )
