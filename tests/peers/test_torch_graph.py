"""Networks that branch and join, against PyTorch in float64: outputs and all gradients to 1e-10."""

import numpy as np
import pytest
import torch
from peers.against_torch import Comparison, normal, randomize
from torch.nn import functional as F

import xpnn as nn

F64 = {"dtype": "float64"}


def pair(channels, out):
    """Two convolutions with their activations, as on each level of a U-Net."""
    return nn.Conv2D(channels, out, 3, padding=1, **F64), nn.ReLU(), nn.Conv2D(out, out, 3, padding=1, **F64), nn.Tanh()


def unet():
    """On the way up, what both levels sum to is gated by its own means, and joined with the lower level."""
    return nn.Graph(
        {
            "top": nn.Sequential(*pair(1, 3)),
            "down": nn.MaxPool2D(2),
            "low": nn.Sequential(*pair(3, 3)),
            "skip": (nn.AvgPool2D(2), "top"),
            "sum": (nn.Add(), "low", "skip", "down"),
            "gate": (nn.Sequential(nn.AvgPool2D((3, 2)), nn.Sigmoid()), "sum"),  # (N, 3, 1, 1)
            "gated": (nn.Multiply(), "sum", "gate"),
            "up": (nn.Sequential(nn.Concat(), *pair(6, 2)), "gated", "low"),
            "out": nn.Conv2D(2, 2, 1, **F64),
        }
    )


def unet_of_torch(p, x):
    def block(x, name, at=0):
        x = F.relu(F.conv2d(x, p[f"{name}.{at}.W"], p[f"{name}.{at}.b"], padding=1))
        return F.conv2d(x, p[f"{name}.{at + 2}.W"], p[f"{name}.{at + 2}.b"], padding=1).tanh()

    top = block(x, "top")
    down = F.max_pool2d(top, 2)
    low = block(down, "low")
    total = low + F.avg_pool2d(top, 2) + down
    gated = total * F.avg_pool2d(total, (3, 2)).sigmoid()
    return (F.conv2d(block(torch.cat([gated, low], 1), "up", 1), p["out.W"], p["out.b"]),)


def two_branches():
    """A picture and a table; the class and what both branches have in common are the outputs."""
    common = nn.Dense(4, 4, **F64)
    return nn.Graph(
        {
            "image": (
                nn.Sequential(nn.Conv2D(1, 2, 3, **F64), nn.ReLU(), nn.GlobalAvgPool2D(), nn.Dense(2, 4, **F64)),
                "x",
            ),
            "row": (nn.Dense(5, 4, **F64), "z"),
            "a": (common, "image"),
            "b": (common, "row"),
            "common": (nn.Multiply(), "a", "b"),
            "all": (nn.Concat(), "image", "common", "row"),
            "class": nn.Dense(12, 3, **F64),
        },
        inputs=("x", "z"),
        outputs=("class", "common"),
    )


def two_branches_of_torch(p, x, z):
    def dense(x, name):
        return F.linear(x, p[f"{name}.W"], p[f"{name}.b"])

    image = dense(F.relu(F.conv2d(x, p["image.0.W"], p["image.0.b"])).mean((2, 3)), "image.3")
    row = dense(z, "row")
    common = dense(image, "a") * dense(row, "a")
    return dense(torch.cat([image, common, row], 1), "class"), common


@pytest.mark.parametrize(
    ("build", "of_torch", "shapes"),
    [(unet, unet_of_torch, [(5, 1, 6, 4)]), (two_branches, two_branches_of_torch, [(5, 1, 6, 4), (5, 5)])],
)
def test_values_and_all_gradients(build, of_torch, shapes, measured):
    rng = np.random.default_rng(0)
    model = build()
    for _, leaf in model.leaves():
        randomize(leaf, rng)
    arrays = [normal(rng, shape, "float64") for shape in shapes]
    given = tuple(nn.asarray(array, "float64") for array in arrays)
    y, backward = model.forward(given if model.joins else given[0])
    ys = y if isinstance(y, tuple) else (y,)
    dys = tuple(normal(rng, output.shape, "float64") for output in ys)
    dy = tuple(nn.asarray(d, "float64") for d in dys)
    for _ in range(2):  # the gradients of two passes add up
        dx = backward(dy if isinstance(y, tuple) else dy[0])

    p = {key: torch.tensor(nn.to_numpy(value), requires_grad=True) for key, value in model.params.items()}
    inputs = [torch.tensor(array, requires_grad=True) for array in arrays]
    outputs = of_torch(p, *inputs)
    sum((output * torch.tensor(d)).sum() for output, d in zip(outputs, dys, strict=True)).backward()
    compare = Comparison(measured, repr(model), "Graph", "float64", 1)
    for got, want in zip(ys, outputs, strict=True):
        compare("y", got, want.detach().numpy(), got)
    for got, want in zip(dx if model.joins else (dx,), inputs, strict=True):
        compare("dE/dx", got, want.grad.numpy(), got)
    for key, want in p.items():
        compare(f"dE/d{key}", model.grads[key], 2 * want.grad.numpy(), model.grads[key])
