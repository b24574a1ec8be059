"""The errors that the project plants in its equations are recognised where an exercise asks for the same equation.

The planted equation is graded as if it were a student's, on the inputs of the exercise. An error that changes nothing
there (groups, lengths, weights: what no exercise has) concerns none.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from learn.grading import KNOWN, graded, remember_effects, said
from planted.in_equations import EQUATIONS, UPDATES
from planted.planting import found, plant, run_plain

from xpnn.backend import Window

TABLE = [line.split("\t") for line in Path(__file__).with_name("planted.tsv").read_text("utf-8").splitlines()]
"""Exercise, planted error, and what the grader says: slips; or "- " and what it concerns that no exercise has."""
ABSENT = {
    *("groups", "dilation", "padding", "images", "first layer"),
    *("lengths", "last state", "weights", "Nesterov", "decay"),
}


def bound(name: str, module: str) -> Any:
    return getattr(sys.modules[f"xpnn.{module}"], name)


def dense(x, params):
    z, backward = bound("dense", "layers.dense")(x.T, params)
    return z.T, lambda dz, grads: backward(dz.T, grads).T


def activation(name: str) -> Callable[..., Any]:
    return lambda z, *constants, **named: bound(name, "layers.activations")(z, *constants, *named.values())


def softmax(z):
    return bound("Softmax", "layers.activations")().forward(z)


def cross_entropy(z, labels):
    return bound("SoftmaxCrossEntropy", "layers.losses.cross_entropy")().forward(z, labels)


def convolution(o, params, stride, padding=(0, 0)):
    stride = (stride, stride) if isinstance(stride, int) else tuple(stride)
    window = Window(params["W"].shape[2:], stride, tuple(padding), (1, 1))
    return bound("conv2d", "layers.conv")(o, params, window, 1)


def pooling(x, size, stride):
    return bound("max_pool", "layers.pool")(x, Window((size, size), (stride, stride), (0, 0), (1, 1)))


def rnn(x, params):
    first = (np.zeros((len(x), len(params["b"]))),)
    step = bound("elman_step", "layers.rnn")
    y, _, backward = bound("through_time", "layers.recurrent")(step, x, first, params, None, True)
    return y, lambda dy, grads: backward(dy, tuple(np.zeros_like(h) for h in first), grads)[0]


def batch_norm(x, params, eps):
    y, _, _, backward = bound("batch_norm", "layers.batchnorm")(x, params, eps, len(x))
    return y, backward


def sgd(p, g, v, lr, momentum):
    bound("sgd", "training.sgd")(p, g, v, lr, momentum, False, 0.0)


def adam(p, g, m, v, t, lr, beta1, beta2, eps):
    c = (1 - beta2**t) ** 0.5
    bound("adam", "training.adam")(p, g, m, v, (lr * c / (1 - beta1**t), eps * c, 1.0), (beta1, beta2), 0.0)


PLANTED = {
    "dense": (dense, "layers.dense.dense"),
    "sigmoid": (activation("sigmoid"), "layers.activations.sigmoid"),
    "tanh": (activation("tanh"), "layers.activations.tanh"),
    "scaled-tanh": (activation("scaled_tanh"), "layers.activations.scaled_tanh"),
    "relu": (activation("relu"), "layers.activations.relu"),
    "leaky-relu": (activation("leaky_relu"), "layers.activations.leaky_relu"),
    "softmax": (softmax, "layers.activations.Softmax"),
    "softmax-cross-entropy": (cross_entropy, "layers.losses.cross_entropy.softmax_cross_entropy"),
    "conv-loops": (convolution, "layers.conv.conv2d layers.im2col.im2col layers.im2col.col2im"),
    "conv-im2col": (convolution, "layers.conv.conv2d layers.im2col.im2col layers.im2col.col2im"),
    "max-pool": (pooling, "layers.pool.max_pool layers.im2col.im2col layers.im2col.col2im"),
    "rnn": (rnn, "layers.rnn.elman_step layers.recurrent.through_time"),
    "batchnorm": (batch_norm, "layers.batchnorm.batch_norm"),
    "sgd-momentum": (sgd, "training.sgd.sgd"),
    "adam": (adam, "training.adam.adam"),
}
"""Of each exercise the library's own function, called as the exercise's is, and the equations that it consists of."""

PLANTINGS = [
    (name, mutation)
    for name, (_, places) in PLANTED.items()
    for mutation in [*EQUATIONS, *UPDATES]
    if mutation.place in places.split()
]


@pytest.fixture(autouse=True)
def equations(monkeypatch):
    run_plain(monkeypatch)
    remember_effects(monkeypatch)


@pytest.mark.parametrize("name", PLANTED)
def test_the_library_itself_passes(name):
    assert graded(name, PLANTED[name][0]) == []


def test_every_exercise_is_here():
    assert PLANTED.keys() == KNOWN.keys()


def test_the_table_has_every_planted_error_of_these_equations():
    assert [(name, error) for name, error, _ in TABLE] == [(name, str(mutation)) for name, mutation in PLANTINGS]


@pytest.mark.parametrize("name", PLANTED)
def test_each_planted_error_is_recognised(name, monkeypatch):
    for (exercise, mutation), (_, error, slip) in zip(PLANTINGS, TABLE, strict=True):
        if exercise == name:
            with monkeypatch.context() as planted:
                plant(planted, found(mutation.place), mutation.right, mutation.wrong)
                assert said(name, PLANTED[name][0]) == (set() if slip[0] == "-" else set(slip.split())), error


def test_none_of_them_is_unknown():
    slips = {slip for _, _, slip in TABLE}
    assert {slip[2:] for slip in slips if slip[0] == "-"} == ABSENT
    assert not {slip for slip in slips if slip in ("unknown", "factor") or slip.startswith("variant")}
