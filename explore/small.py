"""The document's (2, 4, 1) network and a small RNN, with all their values."""

from typing import Any

import numpy as np

from ..backend import Array, asarray, to_numpy, xp
from ..layers import LeakyReLU
from ..layers.losses import HalfSquaredError
from ..layers.rnn import elman_step
from ..models import MLP
from ..training import SGD
from .values import shown

X = np.array([[1, 1], [1, 0], [0, 1], [1, 0.5], [1.5, 0.5]])
Y = np.array([[3.0], [1], [2], [2], [2.5]])
RATE, LEAK = 0.1, 0.01
LARGEST = 1e3
Edits = dict[str, float]
"""New values by place, such as ``{"W2.0.1": 0.5}`` for the weight from neuron 1 to neuron 0."""

T = 8
RNN_START = {
    "x": np.array([[1.0], [0.5], [-0.5], [1.0], [0.0], [-1.0], [0.5], [1.0]]), "W_x": np.array([[0.6], [-0.4]]),
    "W_h": np.array([[0.5, -0.4], [0.3, 0.6]]), "b": np.array([0.1, -0.1]), "target": np.array([0.5, -0.5]),
}  # fmt: skip


def network(sample: int, steps: int, edits: Edits) -> dict[str, Any]:
    """z, a, delta and all gradients for a sample after ``steps`` steps of gradient descent on it, and the next step."""
    if not (0 <= sample < len(X) and 0 <= steps <= 1000):
        raise ValueError(f"expected a sample below {len(X)} and at most 1000 steps, got {sample} and {steps}")
    leaky, optimizer, loss = LeakyReLU(LEAK), SGD(RATE), HalfSquaredError()
    model = MLP((2, 4, 1), activation=leaky, output_activation=leaky, rng=0, dtype="float64")
    _edit({"W2": model[0].params["W"], "b2": model[0].params["b"],
           "W3": model[2].params["W"], "b3": model[2].params["b"]}, edits)  # fmt: skip
    x, y = asarray(X[sample : sample + 1], "float64"), asarray(Y[sample : sample + 1], "float64")
    for _ in range(steps):
        o, backward = model.forward(x)
        backward(loss.forward(o, y)[1]())
        optimizer.step(model)
    runs, o = [], x
    for layer in model.layers:
        o, backward = layer.forward(o)
        runs.append((o, backward))
    (z2, _), (a2, _), (z3, _), (a3, _) = runs
    value, start = loss.forward(a3, y)
    da3 = start()
    delta3 = runs[3][1](da3)
    delta2 = runs[1][1](runs[2][1](delta3))
    runs[0][1](delta2)
    parameters, gradients = _of(model, "params"), _of(model, "grads")
    optimizer.step(model)
    result = {"x": x, "y": y, "z2": z2, "a2": a2, "z3": z3, "a3": a3, "delta3": delta3, "delta2": delta2}
    return {
        **{key: shown(value[0]) for key, value in result.items()}, "loss": shown(value), "params": parameters,
        "grads": gradients, "next": _of(model, "params"), "next_loss": shown(loss(model(x), y)),
    }  # fmt: skip


def _of(model: MLP, which: str) -> dict[str, Any]:
    of = [getattr(model[i], which) for i in (0, 2)]
    return {f"{key}{l}": shown(one[key]) for l, one in zip((2, 3), of, strict=True) for key in "Wb"}


def recurrent(scale: float, edits: Edits) -> dict[str, Any]:
    """An RNN of two units, step by step, and back-propagation through time; E = 1/2 |h_T - target|^2.

    Args:
        scale: the factor by which W_h is multiplied.
    """
    if not 0 <= scale <= 10:
        raise ValueError(f"expected a factor from 0 to 10, got {scale}")
    values = {key: asarray(value, "float64") for key, value in RNN_START.items()}
    _edit(values, edits)
    params = {"W_x": values["W_x"], "W_h": values["W_h"] * scale, "b": values["b"]}
    grads = {key: xp.zeros_like(value) for key, value in params.items()}
    h: tuple[Array, ...] = (xp.zeros((1, 2)),)
    steps = []
    for t in range(T):
        h, backward = elman_step(values["x"][t : t + 1], h, params)
        steps.append((h[0], backward))
    difference = h[0] - values["target"]
    dh: tuple[Array, ...] = (difference,)
    totals, deltas = [], []
    for h_t, backward in reversed(steps):
        totals.append(dh[0])
        deltas.append(dh[0] * (1 - h_t * h_t))
        _, dh = backward(dh, grads)
    norms = [float(to_numpy(xp.sqrt((one * one).sum()))) for one in totals[::-1]]
    return {
        "x": shown(values["x"][:, 0]), "target": shown(values["target"]), "params": shown(params),
        "h": [shown(h_t[0]) for h_t, _ in steps], "dh": [shown(one[0]) for one in totals[::-1]],
        "delta": [shown(one[0]) for one in deltas[::-1]], "norms": shown(np.array(norms)),
        "grads": shown(grads), "loss": shown((difference * difference).sum() / 2),
    }  # fmt: skip


def _edit(arrays: dict[str, Array], edits: Edits) -> None:
    """Replace elements of the arrays by the edited values."""
    for place, value in edits.items():
        name, *at = place.split(".")
        if name not in arrays or not abs(value) <= LARGEST:
            raise ValueError(
                f"expected one of {', '.join(arrays)} and a value within ±{LARGEST:g}, got {place}: {value}"
            )
        try:
            index = tuple(int(i) for i in at)
            if len(index) != arrays[name].ndim or min(index) < 0:
                raise IndexError(place)
            arrays[name][index] = float(value)
        except (IndexError, ValueError) as error:
            raise ValueError(f"expected an index within {arrays[name].shape}, got {place}") from error
