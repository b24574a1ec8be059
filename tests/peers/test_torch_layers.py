"""Every layer against torch.nn.functional over drawn configurations; ``against_torch`` states the bounds."""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from peers.against_torch import (
    BATCH,
    LAYOUTS,
    PROPERTY,
    SEEDS,
    Function,
    agree,
    differentiate,
    normal,
    pairs,
    randomize,
)
from torch.nn import functional

import xpnn as nn

FEATURES = st.integers(1, 12)
CHANNELS = st.integers(1, 4)
WORKSPACE = st.sampled_from([1, 1 << 13, 1 << 30])  # bytes: blocks of one output row, of some rows, of all
LAYOUT = st.sampled_from(LAYOUTS)
ANY_SHAPE = st.tuples(BATCH, *[st.integers(1, 6)] * 3).flatmap(lambda s: st.integers(1, 4).map(lambda n: s[:n]))
dtypes = pytest.mark.parametrize("dtype", ["float64", "float32"])


@dtypes
@PROPERTY
@given(BATCH, st.lists(st.integers(1, 4), max_size=2), FEATURES, FEATURES, LAYOUT, SEEDS)
def test_dense(measured, dtype, batch, steps, in_features, out_features, layout, seed):
    rng = np.random.default_rng(seed)
    x = normal(rng, (batch, *steps, in_features), dtype)
    layer = randomize(nn.Dense(in_features, out_features, dtype=dtype), rng)

    def linear(x, W, b):
        return functional.linear(x, W, b)

    terms = max(in_features + 1, out_features, batch * math.prod(steps))  # of y, dE/dx, dE/dW
    agree(measured, layer, linear, rng, layout, terms=terms, magnitude=linear, x=x)


@dtypes
@PROPERTY
@given(BATCH, CHANNELS, CHANNELS, pairs(1, 9), pairs(1, 4), pairs(1, 3), pairs(0, 3), WORKSPACE, LAYOUT, SEEDS)
def test_conv2d(measured, dtype, batch, channels, kernels, image, kernel, stride, padding, workspace, layout, seed):
    assume(all(size + 2 * p >= k for size, k, p in zip(image, kernel, padding, strict=True)))
    rng = np.random.default_rng(seed)
    x = normal(rng, (batch, channels, *image), dtype)
    layer = randomize(nn.Conv2D(channels, kernels, kernel, stride, padding, dtype=dtype), rng)

    def conv2d(x, W, b):
        return functional.conv2d(x, W, b, stride, padding)

    area, positions = math.prod(kernel), math.prod(layer(nn.asarray(x, dtype)).shape[2:])
    terms = max(channels * area + 1, kernels * area, batch * positions)  # of y, dE/dx, dE/dW
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xpnn.backend.shared.im2col.WORKSPACE_BYTES", workspace)
        agree(measured, layer, conv2d, rng, layout, terms=terms, magnitude=conv2d, x=x)


def padded(pool: Function, value: float, size: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]):
    """PyTorch's pooling; it refuses a padding of more than half the window, so that is then done by hand."""
    if all(2 * p <= k for k, p in zip(size, padding, strict=True)):
        return lambda x: pool(x, size, stride, padding)
    (p1, p2) = padding
    return lambda x: pool(functional.pad(x, (p2, p2, p1, p1), value=value), size, stride)


POOL = (BATCH, CHANNELS, pairs(1, 9), pairs(1, 4), st.none() | pairs(1, 4), pairs(0, 3), LAYOUT, SEEDS)


def assume_pool_fits(image, size, padding):
    assume(all(p < k <= side + 2 * p for side, k, p in zip(image, size, padding, strict=True)))


@dtypes
@PROPERTY
@given(*POOL)
def test_max_pool2d(measured, dtype, batch, channels, image, size, stride, padding, layout, seed):
    assume_pool_fits(image, size, padding)
    rng = np.random.default_rng(seed)
    shape = (batch, channels, *image)
    x = (rng.permutation(math.prod(shape)).reshape(shape) - math.prod(shape) / 2).astype(dtype)  # no two are equal
    reference = padded(functional.max_pool2d, -math.inf, size, stride or size, padding)
    layer = nn.MaxPool2D(size, stride, padding)
    agree(measured, layer, reference, rng, layout, terms=math.prod(size), x=x)  # windows that share a maximum


@dtypes
@PROPERTY
@given(*POOL)
def test_avg_pool2d(measured, dtype, batch, channels, image, size, stride, padding, layout, seed):
    assume_pool_fits(image, size, padding)
    rng = np.random.default_rng(seed)
    x = normal(rng, (batch, channels, *image), dtype)
    reference = padded(functional.avg_pool2d, 0.0, size, stride or size, padding)
    layer = nn.AvgPool2D(size, stride, padding)
    terms = math.prod(size) + 2  # the sum, then 1 / (k1 k2) and the product with it
    agree(measured, layer, reference, rng, layout, terms=terms, magnitude=reference, x=x)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_max_pool2d_gives_the_gradient_of_a_tie_to_the_first_in_order(stride):
    """Pixels of two values only, so that nearly every window ties; PyTorch on a CPU has the same rule."""
    x = np.random.default_rng(0).integers(0, 2, (5, 3, 8, 7)).astype("float64")
    y, backward = nn.MaxPool2D((3, 2), stride).forward(nn.asarray(x, "float64"))
    dy = np.random.default_rng(1).integers(-9, 9, y.shape).astype("float64")  # whole numbers: sums are exact
    want_y, (want,) = differentiate(lambda x: functional.max_pool2d(x, (3, 2), stride), {"x": x}, [dy])
    np.testing.assert_array_equal(nn.to_numpy(y), want_y)
    np.testing.assert_array_equal(nn.to_numpy(backward(nn.asarray(dy, "float64"))), want["x"])


def test_max_pool2d_of_a_constant_image():
    """The first in order is the window's upper left corner: stated without PyTorch's help."""
    _, backward = nn.MaxPool2D(2).forward(nn.asarray(np.full((1, 1, 4, 4), -3.0), "float64"))
    dx = nn.to_numpy(backward(nn.asarray(np.array([[[[1.0, 2.0], [3.0, 4.0]]]]), "float64")))
    np.testing.assert_array_equal(dx[0, 0], [[1, 0, 2, 0], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0]])


def rnn_reference(return_sequences: bool) -> Function:
    """torch.nn.RNN, whose second bias is 0: (h_1, ..., h_T, h_T), or (h_T, h_T), so that the last state is seen too."""

    def rnn(x, W_x, W_h, b, h0=None):
        parameters = {"weight_ih_l0": W_x, "weight_hh_l0": W_h, "bias_ih_l0": b, "bias_hh_l0": torch.zeros_like(b)}
        module = torch.nn.RNN(x.shape[2], len(b), batch_first=True, dtype=torch.float64)
        state = torch.zeros(1, len(x), len(b), dtype=torch.float64) if h0 is None else h0[None]
        h, last = torch.func.functional_call(module, parameters, (x, state))
        return torch.cat([h if return_sequences else h[:, -1:], last.transpose(0, 1)], 1)

    return rnn


def rnn_forward(layer: nn.RNN):
    """The layer from a given state, with its outputs in the form of ``rnn_reference``."""

    def forward(x, h0=None):
        y, last, backward = layer.forward_from(x, h0)
        steps = y if layer.return_sequences else y[:, None]

        def backward_all(dy):
            dx, dh0 = backward(dy[:, :-1] if layer.return_sequences else dy[:, 0], dy[:, -1])
            return (dx,) if h0 is None else (dx, dh0)

        return nn.xp.concatenate([steps, last[:, None]], 1), backward_all

    return forward


@dtypes
@PROPERTY
@given(BATCH, st.integers(1, 6), st.integers(1, 6), st.integers(1, 6), st.booleans(), st.booleans(), LAYOUT, SEEDS)
def test_rnn(measured, dtype, batch, steps, inputs, hidden, return_sequences, initial_state, layout, seed):
    """In float32 all numbers are positive and every h is below 0.77, so that a bound for each entry can be had.

    With no cancellation the bounds are relative. One step adds to the error of h: the sum, I + H + 1 terms, and tanh,
    8 u (tanh itself never enlarges a relative error), so after T steps it is e = T (I + H + 10) u. The slope 1 - h^2,
    h^2 < 0.59, then errs by (2 e + u) 0.59 / 0.41 + u < 3 e + 3 u; each step backwards adds that, the H + 1 terms of
    dE/dh and a product; in the end a weight's gradient has N T terms, each with an h, and dE/dx has H.
    """
    rng = np.random.default_rng(seed)
    x, h0 = normal(rng, (batch, steps, inputs), dtype), normal(rng, (batch, hidden), dtype)
    layer = randomize(nn.RNN(inputs, hidden, return_sequences, dtype=dtype), rng)
    if dtype == "float32":  # W_x x <= 0.5, W_h h <= 0.25, b <= 0.25, tanh(1) < 0.77
        x, h0 = rng.random(x.shape, dtype), rng.random(h0.shape, dtype) * np.float32(0.7)
        for key, most in ("W_x", 0.5 / inputs), ("W_h", 0.25 / hidden), ("b", 0.25):
            layer.params[key] = most * rng.random(layer.params[key].shape, dtype)
    error_h = steps * (inputs + hidden + 10)
    terms = steps * (3 * error_h + 3 + hidden + 2) + error_h + batch * steps + hidden
    reference = rnn_reference(return_sequences)
    state = {"h0": h0} if initial_state else {}
    agree(
        measured,
        layer,
        reference,
        rng,
        layout,
        terms=terms,
        magnitude=reference,
        forward=rnn_forward(layer),
        x=x,
        **state,
    )


@dtypes
@PROPERTY
@given(BATCH, st.integers(1, 6), st.booleans(), SEEDS)
def test_rnn_forward_starts_from_zeros(dtype, batch, steps, return_sequences, seed):
    """What ``forward`` gives is what ``forward_from`` gives without a state: the same bits."""
    rng = np.random.default_rng(seed)
    layer = randomize(nn.RNN(3, 4, return_sequences, dtype=dtype), rng)
    x = nn.asarray(normal(rng, (batch, steps, 3), dtype), dtype)
    y, backward = layer.forward(x)
    y_from, _, backward_from = layer.forward_from(x, nn.asarray(np.zeros((batch, 4)), dtype))
    dy = nn.asarray(normal(rng, y.shape, dtype), dtype)
    np.testing.assert_array_equal(nn.to_numpy(y), nn.to_numpy(y_from))
    np.testing.assert_array_equal(nn.to_numpy(backward(dy)), nn.to_numpy(backward_from(dy)[0]))


@dtypes
@PROPERTY
@given(ANY_SHAPE.filter(lambda shape: len(shape) > 1), LAYOUT, SEEDS)
def test_flatten(measured, dtype, shape, layout, seed):
    rng = np.random.default_rng(seed)
    agree(measured, nn.Flatten(), lambda x: torch.flatten(x, 1), rng, layout, x=normal(rng, shape, dtype))


@dtypes
@PROPERTY
@given(BATCH, st.lists(st.integers(1, 6), max_size=2), FEATURES, FEATURES, st.sampled_from("bBil"), LAYOUT, SEEDS)
def test_embedding(measured, dtype, batch, steps, symbols, dim, integers, layout, seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(symbols, size=(batch, *steps)).astype(integers)
    layer = randomize(nn.Embedding(symbols, dim, dtype=dtype), rng)

    def embedding(x, W):
        return functional.embedding(x.long(), W)

    agree(measured, layer, embedding, rng, layout, terms=x.size, magnitude=embedding, x=x)


@dtypes
@PROPERTY
@given(ANY_SHAPE, LAYOUT, SEEDS)
def test_sigmoid(measured, dtype, shape, layout, seed):
    """tanh(z/2) errs by 8 u, so a = 0.5 tanh + 0.5 by 4 u + u, 1 - a by 6 u, dy a (1 - a) by 8 u |dy| in all."""
    rng = np.random.default_rng(seed)
    x = normal(rng, shape, dtype)
    agree(measured, nn.Sigmoid(), torch.sigmoid, rng, layout, terms=8, magnitude=lambda x: 1 + x, x=x)


@dtypes
@PROPERTY
@given(ANY_SHAPE, LAYOUT, SEEDS)
def test_tanh(measured, dtype, shape, layout, seed):
    """a errs by 8 u |a| and |a| <= |z|; a^2 by 17 u, 1 - a^2 and dy (1 - a^2) by one u more each."""
    rng = np.random.default_rng(seed)
    agree(measured, nn.Tanh(), torch.tanh, rng, layout, terms=19, magnitude=lambda x: x, x=normal(rng, shape, dtype))


@dtypes
@PROPERTY
@given(ANY_SHAPE, LAYOUT, SEEDS)
def test_relu(measured, dtype, shape, layout, seed):
    rng = np.random.default_rng(seed)
    agree(measured, nn.ReLU(), torch.relu, rng, layout, x=normal(rng, shape, dtype))


@dtypes
@PROPERTY
@given(ANY_SHAPE, st.just(0.0) | st.floats(0.001, 1), LAYOUT, SEEDS)
def test_leaky_relu(measured, dtype, shape, slope, layout, seed):
    rng = np.random.default_rng(seed)
    x = normal(rng, shape, dtype)

    def leaky_relu(x):
        return functional.leaky_relu(x, slope)

    agree(measured, nn.LeakyReLU(slope), leaky_relu, rng, layout, terms=2, x=x)  # slope in float32, and the product


@dtypes
@PROPERTY
@given(ANY_SHAPE.filter(lambda shape: len(shape) > 1), LAYOUT, SEEDS)
def test_softmax(measured, dtype, shape, layout, seed):
    """For K logits within a range R: z - max errs by R u, its exponential by R u + 8 u relatively, the sum of all by
    K u more, so a by (2 R + K + 17) u a; sum dy a by K u more; dy minus it and the product by 2 u: twice the former in
    all, relative to a (|dy| + sum |dy| a), for which M is |dy| + sum |dy|, no less.
    """
    rng = np.random.default_rng(seed)
    x = normal(rng, shape, dtype)
    terms = 2 * (2 * math.ceil(np.ptp(x)) + shape[-1] + 17) + shape[-1] + 2

    def softmax(x):
        return functional.softmax(x, -1)

    def magnitude(x):
        return 1 + x + x.sum(-1, keepdim=True)

    agree(measured, nn.Softmax(), softmax, rng, layout, terms=terms, magnitude=magnitude, x=x)


@pytest.mark.parametrize(
    ("layer", "reference"),
    [
        (nn.Sigmoid(), torch.sigmoid),
        (nn.Tanh(), torch.tanh),
        (nn.ReLU(), torch.relu),
        (nn.LeakyReLU(0.1), lambda x: functional.leaky_relu(x, 0.1)),
        (nn.Softmax(), lambda x: functional.softmax(x, -1)),
    ],
    ids=["Sigmoid", "Tanh", "ReLU", "LeakyReLU", "Softmax"],
)
@dtypes
def test_activations_at_their_kinks_and_ends(layer, reference, dtype):
    """0 and -0, values near 0, and values where exp would overflow; both libraries' dE/dz at 0 is that of z < 0.

    The error is 20 u = 10 eps, the largest bound of the tests above, and absolute: in a tail the relative error of
    0.5 tanh(z/2) + 0.5 or of 1 - a^2 has no bound.
    """
    z = np.array([[0.0, -0.0, 1e-30, -1e-30], [20.0, -20.0, 1e4, -1e4], [700.0, -1e3, 1e3, 0.0]], dtype)
    dy = np.linspace(-1, 1, z.size).reshape(z.shape).astype(dtype)
    y, backward = layer.forward(nn.asarray(z, dtype))
    dz = backward(nn.asarray(dy, dtype))
    want_y, (want,) = differentiate(reference, {"x": z}, [dy])
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(nn.to_numpy(y), want_y, rtol=eps, atol=10 * eps)
    np.testing.assert_allclose(nn.to_numpy(dz), want["x"], rtol=eps, atol=10 * eps)


@dtypes
@PROPERTY
@given(ANY_SHAPE, st.floats(0, 0.99), LAYOUT, SEEDS)
def test_dropout_multiplies_by_its_mask(measured, dtype, shape, p, layout, seed):
    """With the mask read off from what it does to ones: y = mask x and dE/dx = mask dE/dy, by PyTorch's product."""
    rng = np.random.default_rng(seed)
    mask, _ = nn.Dropout(p, rng=seed).forward(nn.asarray(np.ones(shape), dtype))
    mask = torch.tensor(nn.to_numpy(mask)).double()
    agree(measured, nn.Dropout(p, rng=seed), lambda x: mask * x, rng, layout, x=normal(rng, shape, dtype))


@dtypes
@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9])
def test_dropout_has_torch_s_mask(dtype, p):
    """The same values as PyTorch's, 0 and 1 / (1 - p), and p of 10^5 are 0 within 5 standard deviations."""
    ones = np.ones((100, 1000), dtype)
    y = nn.to_numpy(nn.Dropout(p, rng=0).forward(nn.asarray(ones, dtype))[0])
    want = functional.dropout(torch.tensor(ones), p, training=True).numpy()
    np.testing.assert_allclose(np.unique(y), np.unique(want), rtol=np.finfo(dtype).eps)
    assert abs((y == 0).mean() - p) <= 5 * math.sqrt(p * (1 - p) / y.size)


@dtypes
@pytest.mark.parametrize("p", [0.0, 0.5, 0.9])
def test_dropout_does_nothing_in_inference(dtype, p):
    x = normal(np.random.default_rng(0), (9, 5, 4), dtype)
    y = nn.to_numpy(nn.Dropout(p)(nn.asarray(x, dtype)))
    np.testing.assert_array_equal(y, functional.dropout(torch.tensor(x), p, training=False).numpy(), strict=True)
