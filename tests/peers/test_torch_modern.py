"""The layers of ``layers/modern`` against PyTorch in float64; ``against_torch`` states the bound."""

import numpy as np
import pytest
import torch
from peers.against_torch import LAYOUTS, agree, differentiate, normal, randomize
from torch.nn import functional as F

import xpnn as nn

ACTIVATIONS = {
    nn.ELU(): F.elu,
    nn.ELU(0.3): lambda x: F.elu(x, 0.3),
    nn.SiLU(): F.silu,
    nn.GELU(): F.gelu,
    nn.GELU("tanh"): lambda x: F.gelu(x, approximate="tanh"),
    nn.Softplus(): F.softplus,
    nn.Softplus(2.0, threshold=3.0): lambda x: F.softplus(x, 2.0, 3.0),
    nn.ReLU6(): F.relu6,
    nn.Clip(-0.5, 2.0): lambda x: F.hardtanh(x, -0.5, 2.0),
    nn.HardSigmoid(): lambda x: F.relu6(x + 3) / 6,  # hardsigmoid's own gradient has a float32 1/6, in float64 too
    nn.HardSwish(): F.hardswish,
    nn.LogSoftmax(): lambda x: F.log_softmax(x, -1),
}
EACH = pytest.mark.parametrize(("layer", "reference"), ACTIVATIONS.items(), ids=map(str, ACTIVATIONS))


@EACH
def test_activations(measured, layer, reference):
    """Inputs of a few units, and of so many that all kinks and thresholds are passed."""
    rng = np.random.default_rng(0)
    for layout, shape in zip(LAYOUTS, [(7,), (4, 9), (1, 1), (2, 3, 4), (3, 2, 4, 5), (6, 6)], strict=True):
        for scale in (1.0, 8.0):
            agree(measured, layer, lambda x: reference(x), rng, layout, x=scale * normal(rng, shape, "float64"))


@EACH
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_activations_at_their_kinks_and_ends(layer, reference, dtype):
    """Kinks, values near 0, and values whose exponential or square overflows: errors of 20 eps, relative to z in y."""
    most = float(np.finfo(dtype).max) / 10  # PyTorch's hardswish has 6 z
    z = np.array(
        [[0.0, -0.0, 1e-30, -1e-30, 3, -3, 6], [2, -0.5, 1.5, 20, -20, 1e4, -1e4], [most, -most, 0, 1, 2, 3, 4]]
    )
    z = z.astype(dtype)
    dy = np.linspace(-1, 1, z.size).reshape(z.shape).astype(dtype)
    y, backward = layer.forward(nn.asarray(z, dtype))
    dz = backward(nn.asarray(dy, dtype))
    assert y.dtype == dz.dtype == dtype
    want_y, (want,) = differentiate(lambda x: reference(x), {"x": z}, [dy])
    eps = 20 * float(np.finfo(dtype).eps)
    finite = np.isfinite(want["x"])  # PyTorch's GELU by tanh has 0 times infinity there
    assert finite.sum() >= z.size - 2
    assert np.all(abs(nn.to_numpy(y) - want_y) <= eps * (1 + abs(z.astype("float64"))))
    np.testing.assert_allclose(nn.to_numpy(dz)[finite], want["x"][finite], rtol=eps, atol=eps)
    assert np.isfinite(nn.to_numpy(dz)).all()


@pytest.mark.parametrize("positions", [(), (4,), (2, 3)])
@pytest.mark.parametrize("parameters", [1, 5])
def test_prelu(measured, parameters, positions):
    rng = np.random.default_rng(0)
    for layout in LAYOUTS:
        layer = randomize(nn.PReLU(parameters, dtype="float64"), rng)
        x = normal(rng, (3, 5, *positions), "float64")
        agree(measured, layer, lambda x, alpha: F.prelu(x, alpha), rng, layout, x=x)


@pytest.mark.parametrize("params", [(), ("gamma",), ("gamma", "beta")])
@pytest.mark.parametrize("normalized", [(3,), (2, 3), (4, 1, 3)])
def test_layer_norm(measured, normalized, params):
    """From three values on, since dE/dx of two is nearly 0: what is left when all but the last few digits cancel."""
    rng = np.random.default_rng(0)
    for layout, others in zip(LAYOUTS, [(1,), (5,), (2, 3), (3, 2, 2), (4, 1), (2, 2)], strict=True):
        eps, shift = rng.choice([1e-5, 0.5]), rng.choice([0.0, -30.0])
        layer = nn.LayerNorm(normalized, eps, bool(params), bias="beta" in params, dtype="float64")
        assert tuple(layer.params) == params

        def layer_norm(x, gamma=None, beta=None, eps=eps):
            return F.layer_norm(x, normalized, gamma, beta, eps)

        x = normal(rng, (*others, *normalized), "float64") + shift
        agree(measured, randomize(layer, rng), layer_norm, rng, layout, x=x)


def test_layer_norm_of_float32():
    """10 eps of the largest value, at a mean of as many deviations as keep that many digits."""
    rng = np.random.default_rng(0)
    x, dy = (normal(rng, (6, 5, 32), "float32") for _ in range(2))
    layer = randomize(nn.LayerNorm(32), rng)
    params = {key: nn.to_numpy(value).copy() for key, value in layer.params.items()}
    y, backward = layer.forward(nn.asarray(x))
    dx = backward(nn.asarray(dy))
    want_y, (want,) = differentiate(
        lambda x, gamma, beta: F.layer_norm(x, (32,), gamma, beta), {"x": x, **params}, [dy]
    )
    got = {"y": y, "x": dx, **layer.grads}
    for key, expected in {"y": want_y, **want}.items():
        assert got[key].dtype == "float32"
        error = abs(nn.to_numpy(got[key]) - expected).max() / abs(expected).max()
        assert error <= 10 * 2.0**-23, f"{key}: {error:.2g}"


def test_a_network_of_them_trains_as_pytorch_s(measured):
    """Twenty steps of SGD from the same weights: parameters within 1e-10."""
    rng, t = np.random.default_rng(0), torch.nn
    o = {"rng": rng, "dtype": "float64"}
    model = nn.Sequential(
        *(
            nn.Conv2D(2, 4, 3, **o),
            nn.PReLU(4, dtype="float64"),
            nn.LayerNorm((4, 4, 4), dtype="float64"),
            nn.HardSwish(),
        ),
        *(nn.Flatten(), nn.Dense(64, 8, **o), nn.GELU(), nn.Dense(8, 8, **o), nn.SiLU(), nn.Dense(8, 5, **o)),
    )
    twin = t.Sequential(
        *(t.Conv2d(2, 4, 3), t.PReLU(4), t.LayerNorm((4, 4, 4)), t.Hardswish()),
        *(t.Flatten(), t.Linear(64, 8), t.GELU(), t.Linear(8, 8), t.SiLU(), t.Linear(8, 5)),
    ).double()
    for value, weight in zip(model.params.values(), twin.parameters(), strict=True):
        weight.data = torch.tensor(nn.to_numpy(value)).clone()
    loss, optimizer = nn.SoftmaxCrossEntropy(), nn.SGD(0.1)
    start = nn.to_numpy(model.flat_params).copy()
    for _ in range(20):
        x, labels = rng.standard_normal((7, 2, 6, 6)), rng.integers(5, size=7)
        logits, backward = model.forward(nn.asarray(x, "float64"), needs_dx=False)
        backward(loss.forward(logits, nn.asarray(labels))[1]())
        optimizer.step(model)
        peer_loss = F.cross_entropy(twin(torch.tensor(x)), torch.tensor(labels))
        weights = list(twin.parameters())
        for weight, gradient in zip(weights, torch.autograd.grad(peer_loss, weights), strict=True):
            weight.data -= 0.1 * gradient
    end = np.concatenate([weight.detach().numpy().ravel() for weight in twin.parameters()])
    error = float(abs(nn.to_numpy(model.flat_params) - end).max())
    measured("torch, a network of layers/modern, 20 steps, largest difference", error)
    assert error <= 1e-10
    assert abs(end - start).max() > 0.05  # it was trained
