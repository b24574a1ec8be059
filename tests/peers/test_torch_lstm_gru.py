"""RNN, LSTM and GRU with lengths and states against torch.nn and its packed sequences.

float64 keeps to the bound that ``against_torch`` states. For float32 there is no bound of that form, a number of
roundings times a magnitude: errors pass through gates and from step to step. So each operation's rounding is followed
through forward and backward (running error analysis: Higham, "Accuracy and stability of numerical algorithms", 2002,
section 3.3): ``Rounded`` holds an array with a bound for its error, and the layers' equations, written once more below
in it, give each entry of each result its own bound.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peers.against_torch import BATCH, LAYOUTS, PROPERTY, SEEDS, Arrays, Comparison, normal, place, randomize
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import xpnn as nn

KINDS = {nn.RNN: torch.nn.RNN, nn.LSTM: torch.nn.LSTM, nn.GRU: torch.nn.GRU}
UNIT = 2.0**-24


@dataclass
class Example:
    """What one example runs on. ``parts`` and ``dlast`` are lists, of h or of h and c, or None."""

    x: np.ndarray
    parts: list[np.ndarray] | None
    lengths: list[int] | None
    dy: np.ndarray
    dlast: list[np.ndarray] | None


@st.composite
def examples(draw: st.DrawFn) -> tuple[dict[str, Any], list[int] | None]:
    """Sizes and switches, and lengths or None."""
    steps, batch = draw(st.integers(1, 6)), draw(BATCH)
    sizes = {"N": batch, "T": steps, "I": draw(st.integers(1, 6)), "H": draw(st.integers(1, 6))}
    switches = {key: draw(st.booleans()) for key in ("return_sequences", "state", "dlast", "needs_dx")}
    each = st.lists(st.integers(1, steps), min_size=batch, max_size=batch)
    return {**sizes, **switches}, draw(st.none() | each)


def build(kind: type, given_: tuple[dict[str, Any], list[int] | None], dtype: str, rng: np.random.Generator):
    """A layer with random parameters and an Example for it."""
    options, lengths = given_
    N, T, I, H, sequences = (options[key] for key in ("N", "T", "I", "H", "return_sequences"))
    layer = randomize(kind(I, H, sequences, dtype=dtype), rng)

    def state() -> list[np.ndarray]:
        return [normal(rng, (N, H), dtype) for _ in layer.state_names]

    x, dy = normal(rng, (N, T, I), dtype), normal(rng, (N, T, H) if sequences else (N, H), dtype)
    return layer, Example(x, state() if options["state"] else None, lengths, dy, state() if options["dlast"] else None)


def by_xpnn(layer, example: Example, needs_dx: bool, layout: str, rng: np.random.Generator) -> Arrays:
    """Results and gradients by name; every array given is laid out in memory as said, or as drawn."""

    def pack(parts: list[np.ndarray] | None):
        placed = [place(part, rng.choice(LAYOUTS), rng) for part in parts or []]
        return tuple(placed) if len(placed) > 1 else placed[0] if placed else None

    def unpack(state) -> list[np.ndarray]:
        return [nn.to_numpy(part) for part in (state if isinstance(state, tuple) else (state,))]

    layer.flat_grads[...] = 0
    x = place(example.x, layout, rng)
    y, last, backward = layer.forward_from(x, pack(example.parts), needs_dx, example.lengths)
    dx, dstate = backward(place(example.dy, rng.choice(LAYOUTS), rng), pack(example.dlast))
    results = {"y": nn.to_numpy(y)}
    assert (dx is None) is not needs_dx
    if needs_dx:
        results["dE/dx"] = nn.to_numpy(dx)
    for name, part, dpart in zip(layer.state_names, unpack(last), unpack(dstate), strict=True):
        results |= {f"last {name}": part, f"dE/d{name}": dpart}
    return results | {f"dE/d{key}": nn.to_numpy(value) for key, value in layer.grads.items()}


def by_torch(layer, example: Example) -> Arrays:
    """The same of torch.nn in float64. Of its second bias only the GRU's last third, b_h, is not 0."""
    (N, T, I), H, params = example.x.shape, layer.hidden_size, layer.params
    module = KINDS[type(layer)](I, H, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        for ours, theirs in ("W_x", "weight_ih_l0"), ("W_h", "weight_hh_l0"), ("b", "bias_ih_l0"):
            getattr(module, theirs).copy_(torch.tensor(nn.to_numpy(params[ours])))
        module.bias_hh_l0.zero_()
        if "b_h" in params:
            module.bias_hh_l0[2 * H :] = torch.tensor(nn.to_numpy(params["b_h"])).double()
    x = torch.tensor(example.x).double().requires_grad_()
    parts = example.parts or [np.zeros((N, H)) for _ in layer.state_names]
    state = [torch.tensor(part).double()[None].requires_grad_() for part in parts]
    arguments = tuple(state) if len(state) > 1 else state[0]
    if example.lengths is None:
        y, last = module(x, arguments)
    else:
        packed = pack_padded_sequence(x, torch.tensor(example.lengths), batch_first=True, enforce_sorted=False)
        y, last = module(packed, arguments)
        y, _ = pad_packed_sequence(y, batch_first=True, total_length=T)
    ends = last if isinstance(last, tuple) else (last,)
    y = y if layer.return_sequences else ends[0][0]
    energy = (y * torch.tensor(example.dy).double()).sum()
    for end, gradient in zip(ends, example.dlast or [], strict=False):
        energy = energy + (end[0] * torch.tensor(gradient).double()).sum()
    energy.backward()
    results = {"y": y, "dE/dx": x.grad, "dE/dW_x": module.weight_ih_l0.grad, "dE/dW_h": module.weight_hh_l0.grad}
    results |= {"dE/db": module.bias_ih_l0.grad, "dE/db_h": module.bias_hh_l0.grad[2 * H :]}
    for name, end, start in zip(layer.state_names, ends, state, strict=True):
        results |= {f"last {name}": end[0], f"dE/d{name}": start.grad[0]}
    return {key: value.detach().numpy() for key, value in results.items()}


@pytest.mark.parametrize("kind", KINDS)
@PROPERTY
@given(examples(), st.sampled_from(LAYOUTS), SEEDS)
def test_float64(measured, kind, given_, layout, seed):
    rng = np.random.default_rng(seed)
    layer, example = build(kind, given_, "float64", rng)
    got = by_xpnn(layer, example, given_[0]["needs_dx"], layout, rng)
    want = by_torch(layer, example)
    compare = Comparison(measured, f"{layer} {given_}", kind.__name__, "float64", 1)
    for key, value in got.items():
        compare(key, value, want[key], want[key])


class Rounded:
    """float64 values, and bounds for the errors of the float32 values in their place.

    Each operation carries its arguments' errors on and adds its own: u of the result; for a product of matrices, in any
    order of summation, gamma(n) = n u / (1 - n u) of the sum of the n terms' magnitudes; for tanh, which never enlarges
    an error, 8 u (4 units in the last place).
    """

    def __init__(self, value: np.ndarray, error: np.ndarray | float = 0.0) -> None:
        self.value, self.error = value.astype("float64"), error + np.zeros(value.shape)

    @property
    def most(self) -> np.ndarray:
        """The largest magnitude that the float32 value may have."""
        return abs(self.value) + self.error

    @property
    def T(self) -> "Rounded":  # noqa: N802
        return Rounded(self.value.T, self.error.T)

    def __getitem__(self, index: Any) -> "Rounded":
        return Rounded(self.value[index], self.error[index])

    def __add__(self, other: "Rounded") -> "Rounded":
        return rounded(self.value + other.value, self.error + other.error)

    def __sub__(self, other: "Rounded") -> "Rounded":
        return rounded(self.value - other.value, self.error + other.error)

    def __mul__(self, other: "Rounded") -> "Rounded":
        return rounded(self.value * other.value, self.most * other.most - abs(self.value * other.value))

    def __matmul__(self, other: "Rounded") -> "Rounded":
        carried = self.most @ other.most - abs(self.value) @ abs(other.value)
        n = self.value.shape[-1]
        gamma = n * UNIT / (1 - n * UNIT)
        return Rounded(self.value @ other.value, carried + gamma * (self.most @ other.most))

    def one_minus(self) -> "Rounded":
        return rounded(1 - self.value, self.error)

    def tanh(self) -> "Rounded":
        return rounded(np.tanh(self.value), self.error, 8 * UNIT)

    def sigmoid(self) -> "Rounded":
        """0.5 tanh(0.5 a) + 0.5; the halving is exact."""
        inner = Rounded(0.5 * self.value, 0.5 * self.error).tanh()
        return rounded(0.5 * inner.value + 0.5, 0.5 * inner.error)


def rounded(value: np.ndarray, carried: np.ndarray, unit: float = UNIT) -> Rounded:
    """A result whose arguments' errors make up ``carried``, with its own rounding error on top."""
    return Rounded(value, carried + unit * (abs(value) + carried))


def rows(values: list[Rounded]) -> Rounded:
    return Rounded(np.stack([v.value for v in values]), np.stack([v.error for v in values]))


def blocks(*values: Rounded) -> Rounded:
    return Rounded(np.concatenate([v.value for v in values]), np.concatenate([v.error for v in values]))


def step(layer, params: dict[str, Rounded], x: Rounded, state: list[Rounded]):
    """One step of one sample: the next state, and backward: the state's gradient to (eps, delta, the one before's).

    eps is the gradient for W_x x + b, delta for W_h h; the same but for the GRU.
    """
    h, H = state[0], layer.hidden_size
    a, u = x @ params["W_x"].T + params["b"], h @ params["W_h"].T
    if isinstance(layer, nn.RNN):
        new = (a + u).tanh()

        def rnn_backward(dh: Rounded):
            delta = (new * new).one_minus() * dh
            return delta, delta, [delta @ params["W_h"]]

        return [new], rnn_backward
    if isinstance(layer, nn.LSTM):
        a_i, a_f, a_g, a_o = ((a + u)[k * H : (k + 1) * H] for k in range(4))
        i, f, g, o = a_i.sigmoid(), a_f.sigmoid(), a_g.tanh(), a_o.sigmoid()
        c = f * state[1] + i * g
        tanh_c = c.tanh()

        def lstm_backward(dh: Rounded, dc: Rounded):
            dc = dc + dh * (o * (tanh_c * tanh_c).one_minus())
            d_i, d_f = g * (i * i.one_minus()) * dc, state[1] * (f * f.one_minus()) * dc
            d_g, d_o = i * (g * g).one_minus() * dc, tanh_c * (o * o.one_minus()) * dh
            delta = blocks(d_i, d_f, d_g, d_o)
            return delta, delta, [delta @ params["W_h"], dc * f]

        return [o * tanh_c, c], lstm_backward
    r, z = (a[:H] + u[:H]).sigmoid(), (a[H : 2 * H] + u[H : 2 * H]).sigmoid()
    m = u[2 * H :] + params["b_h"]
    n = (a[2 * H :] + r * m).tanh()

    def gru_backward(dh: Rounded):
        slope = z.one_minus() * (n * n).one_minus()
        d_r, d_z = slope * m * (r * r.one_minus()) * dh, (h - n) * (z * z.one_minus()) * dh
        delta = blocks(d_r, d_z, slope * r * dh)
        return blocks(d_r, d_z, slope * dh), delta, [dh * z + delta @ params["W_h"]]

    return [(h - n) * z + n], gru_backward


def by_equations(layer, example: Example) -> dict[str, Rounded]:
    """The results once more, sample by sample, with bounds for float32."""
    params = {key: Rounded(nn.to_numpy(value)) for key, value in layer.params.items()}
    (N, T, I), H, names = example.x.shape, layer.hidden_size, layer.state_names
    zero = Rounded(np.zeros(H))
    collected: dict[str, list[Rounded]] = {}
    of_rows: list[tuple[Rounded, ...]] = []  # x, h before, eps and delta of each step of each sample

    def collect(key: str, value: Rounded) -> None:
        collected.setdefault(key, []).append(value)

    for n in range(N):
        length = T if example.lengths is None else example.lengths[n]
        x = Rounded(example.x[n])
        states = [[zero for _ in names] if example.parts is None else [Rounded(p[n]) for p in example.parts]]
        backwards = []
        for t in range(length):
            new, backward = step(layer, params, x[t], states[-1])
            states.append(new)
            backwards.append(backward)
        dstate = [zero for _ in names] if example.dlast is None else [Rounded(p[n]) for p in example.dlast]
        dx = [Rounded(np.zeros(I))] * T
        for t in reversed(range(length)):
            if layer.return_sequences:
                dstate[0] = dstate[0] + Rounded(example.dy[n, t])
            elif t == length - 1:
                dstate[0] = dstate[0] + Rounded(example.dy[n])
            eps, delta, dstate = backwards[t](*dstate)
            dx[t] = eps @ params["W_x"]
            of_rows.append((x[t], states[t][0], eps, delta))
        collect("dE/dx", rows(dx))
        hidden = [state[0] for state in states[1:]]
        collect("y", rows(hidden + [zero] * (T - length)) if layer.return_sequences else hidden[-1])
        for name, part, dpart in zip(names, states[-1], dstate, strict=True):
            collect(f"last {name}", part)
            collect(f"dE/d{name}", dpart)
    results = {key: rows(values) for key, values in collected.items()}
    x_rows, h_rows, eps, delta = (rows(list(values)) for values in zip(*of_rows, strict=True))
    ones = Rounded(np.ones(len(of_rows)))
    results |= {"dE/dW_x": eps.T @ x_rows, "dE/dW_h": delta.T @ h_rows, "dE/db": ones @ eps}
    return results | {"dE/db_h": ones @ delta[:, 2 * H :]}


@pytest.mark.parametrize("kind", KINDS)
@PROPERTY
@given(examples(), st.sampled_from(LAYOUTS), SEEDS)
def test_float32(measured, kind, given_, layout, seed):
    rng = np.random.default_rng(seed)
    layer, example = build(kind, given_, "float32", rng)
    got = by_xpnn(layer, example, given_[0]["needs_dx"], layout, rng)
    want, bounds = by_torch(layer, example), by_equations(layer, example)
    for key, value in got.items():
        title = f"{layer} {given_}: {key}"
        np.testing.assert_allclose(bounds[key].value, want[key], rtol=1e-12, atol=1e-12, err_msg=title)
        assert value.dtype == "float32", title
        assert value.shape == want[key].shape, title
        error, bound = abs(value - want[key]), bounds[key].error
        assert (error <= bound).all(), (
            f"{title} errs by {error.max():.2g}, past its bound by {(error - bound).max():.2g}"
        )
        size = max(np.linalg.norm(want[key]), np.finfo("float64").tiny)
        measured(f"torch, {kind.__name__}, float32, relative error", float(np.linalg.norm(error) / size))
        measured(f"torch, {kind.__name__}, float32, bound relative to the result", float(np.linalg.norm(bound) / size))
