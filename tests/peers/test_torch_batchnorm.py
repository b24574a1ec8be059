"""Batch normalisation and residual blocks against PyTorch; ``against_torch`` states the float64 bound."""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from peers.against_torch import BATCH, LAYOUTS, PROPERTY, SEEDS, Comparison, differentiate, normal, place, randomize
from torch.nn import functional

import xpnn as nn

LAYOUT = st.sampled_from(LAYOUTS)
SHAPES = st.tuples(BATCH, st.integers(1, 4)) | st.tuples(BATCH, *[st.integers(1, 4)] * 2)
SHAPES |= st.tuples(BATCH, *[st.integers(1, 5)] * 3)
EPS = st.sampled_from([1e-5, 1e-3, 0.5])
SHIFTS = st.sampled_from([0.0, 1.0, -30.0])
dtypes = pytest.mark.parametrize("dtype", ["float64", "float32"])


def build(shape: tuple[int, ...], dtype: str, **options: float) -> nn.Layer:
    """The layer for inputs of this shape, (N, F), (N, F, L) or (N, C, H, W)."""
    return (nn.BatchNorm2D if len(shape) == 4 else nn.BatchNorm1D)(shape[1], dtype=dtype, **options)


@dtypes
@PROPERTY
@given(SHAPES, EPS, SHIFTS, LAYOUT, SEEDS)
def test_training(measured, dtype, shape, eps, shift, layout, seed):
    """In float32 every entry lies within the bound that ``rounding`` derives.

    From three values a channel on: of two, whatever they are, xhat is nearly (1, -1), and dE/dx, nearly 0, what is left
    when all its digits cancel but the last few.
    """
    assume(math.prod(shape) > 2 * shape[1])
    rng = np.random.default_rng(seed)
    layer = randomize(build(shape, dtype, eps=eps), rng)
    x, dy = normal(rng, shape, dtype) + np.asarray(shift, dtype), normal(rng, shape, dtype)
    y, backward = layer.forward(place(x, layout, rng))
    dx = backward(place(dy, rng.choice(LAYOUTS), rng))

    def batch_norm(x, gamma, beta):
        return functional.batch_norm(x, None, None, gamma, beta, training=True, eps=eps)

    params = {key: nn.to_numpy(value).copy() for key, value in layer.params.items()}
    want_y, (want,) = differentiate(batch_norm, {"x": x, **params}, [dy])
    bounds = rounding(x, dy, params["gamma"], params["beta"], eps)
    compare = Comparison(measured, repr(layer), type(layer).__name__, dtype, 1)  # the bounds are in units of u
    compare("y", y, want_y, bounds["y"])
    compare("dE/dx", dx, want["x"], bounds["x"])
    for key, value in layer.grads.items():
        compare(f"dE/d{key}", value, want[key], bounds[key])


def rounding(x: np.ndarray, dy: np.ndarray, gamma: np.ndarray, beta: np.ndarray, eps: float) -> dict[str, np.ndarray]:
    """Bounds on the float32 errors of y, dE/dgamma, dE/dbeta and dE/dx in units of u = 2^-24, to first order in u.

    Each operation errs by u relative to its result, a sum of M terms by M - 1 times u relative to the magnitudes that
    it sums; an error that comes in is multiplied by what it meets. In the order of the computation, for one channel of
    M values whose magnitudes have the mean A, r = 1 / sqrt(var + eps), X = xhat, G = dgamma / M and B = dbeta / M:

    * mean: M - 1 for the sum, 1 for the quotient: M A. It shifts all differences alike.
    * d = x - mean: M A + |d|.
    * var: the differences' own 2, the squares' 1, sum and quotient M: (M + 3) var. The common shift, as sum d = 0, only
      adds its square, which first order would leave out; (M A)^2 u r^2 is kept, since it need not be small beside u.
    * r: half of that and of the addition's 1 (eps itself errs no more than var), root 1, quotient 1: s = (M + 8) / 2.
    * xhat = d r: e = r M A + |X| (s + 2).
    * y = gamma xhat + beta: |gamma| (e + 2 |X|) + |beta|.
    * dbeta: M sum |dy|.    dgamma: sum |dy| e + M sum |dy X|.
    * dx = gamma r (dy - X G - B), in four steps of at most four roundings an entry; gamma r errs by s + 1.
    """
    x, dy = x.astype("float64"), dy.astype("float64")
    axes, column = (0, *range(2, x.ndim)), (1, -1, *[1] * (x.ndim - 2))
    gamma, beta = abs(gamma.astype("float64").reshape(column)), abs(beta.astype("float64").reshape(column))
    M = x.size // x.shape[1]
    A = abs(x).mean(axes, keepdims=True)
    d = x - x.mean(axes, keepdims=True)
    r = 1 / np.sqrt((d * d).mean(axes, keepdims=True) + eps)
    X = abs(d) * r
    s = (M + 8) / 2 + (M * A * r) ** 2 * 2.0**-24
    e = r * M * A + X * (s + 2)
    dbeta = M * abs(dy).sum(axes, keepdims=True)
    dgamma = (abs(dy) * e + M * abs(dy) * X).sum(axes, keepdims=True)
    G = abs((dy * d * r).sum(axes, keepdims=True)) / M
    B = abs(dy.sum(axes, keepdims=True)) / M
    dx = gamma * r * (e * G + X * dgamma / M + dbeta / M + (abs(dy) + X * G + B) * (4 + s + 2))
    return {"y": gamma * (e + 2 * X) + beta, "gamma": dgamma.reshape(-1), "beta": dbeta.reshape(-1), "x": dx}


@PROPERTY
@given(SHAPES, EPS, st.floats(0, 1), st.integers(1, 5), LAYOUT, SEEDS)
def test_running_estimates_and_inference(measured, shape, eps, momentum, steps, layout, seed):
    """The same estimates after each of several steps with batches of several sizes; outputs and gradients by them."""
    assume(math.prod(shape) > shape[1])
    rng = np.random.default_rng(seed)
    layer = randomize(build(shape, "float64", eps=eps, momentum=momentum), rng)
    twin = (torch.nn.BatchNorm2d if len(shape) == 4 else torch.nn.BatchNorm1d)(shape[1], eps, momentum).double()
    with torch.no_grad():
        twin.weight.copy_(torch.tensor(nn.to_numpy(layer.params["gamma"])))
        twin.bias.copy_(torch.tensor(nn.to_numpy(layer.params["beta"])))
    compare = Comparison(measured, repr(layer), f"{type(layer).__name__} running", "float64", 1)
    for step in range(steps):
        x = (step + 1) * normal(rng, (shape[0] + step, *shape[1:]), "float64") + step
        layer.forward(place(x, layout, rng))
        twin.train()(torch.tensor(x))
        for key, value in layer.buffers.items():
            compare(key, value, getattr(twin, key).numpy(), np.zeros(()))
        x, dy = normal(rng, (1, *shape[1:]), "float64"), normal(rng, (1, *shape[1:]), "float64")
        compare("y in inference", layer(place(x, layout, rng)), twin.eval()(torch.tensor(x)).detach().numpy(), x)
        with nn.inference():
            _, backward = layer.forward(place(x, layout, rng))
        layer.zero_grad()
        dx = backward(place(dy, layout, rng))
        estimates = [getattr(twin, f"running_{what}") for what in ("mean", "var")]
        params = {"weight": nn.to_numpy(layer.params["gamma"]).copy(), "bias": nn.to_numpy(layer.params["beta"]).copy()}

        def inferred(x, weight, bias, estimates=estimates):
            return functional.batch_norm(x, *estimates, weight, bias, training=False, eps=eps)

        _, (want,) = differentiate(inferred, {"x": x, **params}, [dy])
        compare("dE/dx in inference", dx, want["x"], dy)
        compare("dE/dgamma in inference", layer.grads["gamma"], want["weight"], dy)
        compare("dE/dbeta in inference", layer.grads["beta"], want["bias"], dy)


class TorchBlock(torch.nn.Module):
    """The block of a ResNet, after its paper's figure 2."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        t = torch.nn
        self.body = t.Sequential(
            *(t.Conv2d(channels, out, 3, stride, 1), t.BatchNorm2d(out), t.ReLU()),
            *(t.Conv2d(out, out, 3, 1, 1), t.BatchNorm2d(out)),
        )
        if stride != 1 or channels != out:
            self.shortcut = t.Sequential(t.Conv2d(channels, out, 1, stride), t.BatchNorm2d(out))
        else:
            self.shortcut = t.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


def block(channels: int, out: int, stride: int) -> nn.Sequential:
    body = nn.Sequential(
        *(nn.Conv2D(channels, out, 3, stride, 1, dtype="float64"), nn.BatchNorm2D(out, dtype="float64"), nn.ReLU()),
        *(nn.Conv2D(out, out, 3, padding=1, dtype="float64"), nn.BatchNorm2D(out, dtype="float64")),
    )
    shortcut = None
    if stride != 1 or channels != out:
        shortcut = nn.Sequential(
            nn.Conv2D(channels, out, 1, stride, dtype="float64"), nn.BatchNorm2D(out, dtype="float64")
        )
    return nn.Sequential(nn.Residual(body, shortcut), nn.ReLU())


def copy_parameters(model: nn.Layer, twin: torch.nn.Module) -> None:
    """PyTorch's parameters take the model's values; both list them in the same order."""
    for value, weight in zip(model.params.values(), twin.parameters(), strict=True):
        with torch.no_grad():
            weight.copy_(torch.tensor(nn.to_numpy(value)))


@PROPERTY
@given(st.integers(2, 9), st.integers(1, 3), st.integers(1, 3), st.integers(1, 2), LAYOUT, SEEDS)
def test_residual_block(measured, batch, channels, out, stride, layout, seed):
    rng = np.random.default_rng(seed)
    model, twin = randomize(block(channels, out, stride), rng), TorchBlock(channels, out, stride).double()
    copy_parameters(model, twin)
    x = normal(rng, (batch, channels, 5, 6), "float64")
    y, backward = model.forward(place(x, layout, rng))
    dy = normal(rng, y.shape, "float64")
    dx = backward(place(dy, rng.choice(LAYOUTS), rng))
    x_torch = torch.tensor(x, requires_grad=True)
    y_torch = twin(x_torch)
    y_torch.backward(torch.tensor(dy))
    compare = Comparison(measured, repr(model), "Residual", "float64", 1)
    compare("y", y, y_torch.detach().numpy(), dy)
    compare("dE/dx", dx, x_torch.grad.numpy(), x)
    # all together: alone, the bias before a normalisation has a gradient of 0, or what rounding makes of it
    gradients = np.concatenate([weight.grad.numpy().ravel() for weight in twin.parameters()])
    compare("dE/dparameters", model.flat_grads, gradients, gradients)


def test_thirty_steps_of_a_resnet(measured):
    """Parameters and running estimates agree to 1e-8 after 30 steps of SGD with momentum in float64."""
    rng = np.random.default_rng(0)
    t = torch.nn
    model = nn.Sequential(
        *(nn.Conv2D(1, 4, 3, padding=1, rng=rng, dtype="float64"), nn.BatchNorm2D(4, dtype="float64"), nn.ReLU()),
        *(block(4, 4, 1), block(4, 8, 2), nn.GlobalAvgPool2D(), nn.Dense(8, 10, rng=rng, dtype="float64")),
    )
    twin = t.Sequential(
        *(t.Conv2d(1, 4, 3, padding=1), t.BatchNorm2d(4), t.ReLU()),
        *(TorchBlock(4, 4, 1), TorchBlock(4, 8, 2), t.AdaptiveAvgPool2d(1), t.Flatten(), t.Linear(8, 10)),
    ).double()
    for _, leaf in model.leaves():
        if isinstance(leaf, nn.Conv2D):
            randomize(leaf, rng)
    copy_parameters(model, twin)
    start = nn.to_numpy(model.flat_params).copy()
    loss, optimizer = nn.SoftmaxCrossEntropy(), nn.SGD(0.05, 0.9)
    torch_optimizer = torch.optim.SGD(twin.parameters(), 0.05, 0.9)
    for _ in range(30):
        x, labels = rng.standard_normal((12, 1, 8, 8)), rng.integers(10, size=12)
        logits, backward = model.forward(nn.asarray(x, "float64"), needs_dx=False)
        backward(loss.forward(logits, nn.asarray(labels))[1]())
        optimizer.step(model)
        torch_optimizer.zero_grad()
        functional.cross_entropy(twin(torch.tensor(x)), torch.tensor(labels)).backward()
        torch_optimizer.step()
    pairs = list(zip(model.params.values(), twin.parameters(), strict=True))
    running = [buffer for key, buffer in twin.named_buffers() if "running" in key]
    pairs += zip(model.buffers.values(), running, strict=True)
    error = max(float(abs(nn.to_numpy(value) - other.detach().numpy()).max()) for value, other in pairs)
    measured("torch, small ResNet, 30 steps, largest difference", error)
    assert error <= 1e-8
    assert abs(nn.to_numpy(model.flat_params) - start).max() > 0.05  # it was trained
