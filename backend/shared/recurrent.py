"""Recurrent layers: one product over all steps for the terms that do not depend on the state, and packed sequences.

a_t = W_x x_t + b is computed for all steps at once. A scan then goes through time; :func:`recurrence` does the work
before and after it.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..accelerate import EQUATIONS
from ..select import Array, Params, xp
from .machine import products
from .sequences import RaggedSteps, Steps

_MANY = 128
"""Number of sequences from which a CPU is faster step by step, since arrays of all steps exceed its cache."""

State = tuple[Array, ...]
Recurrence = tuple[Array, State, Callable[..., tuple[Array | None, State]]]
ScanBackward = Callable[[Array | None, list[Array], Params], Array]
Scan = Callable[[Array, list[Array], Params, Steps], ScanBackward]


def recurrence(
    scan: Scan,
    x: Array,
    state: State,
    params: Params,
    lengths: np.ndarray | None,
    return_sequences: bool,
    needs_dx: bool,
) -> Recurrence:
    """A recurrent layer by the scan for its step.

    Args:
        scan: ``scan(a, states, params, steps)`` computes the states from a = W_x x_t + b
            (rows, G*H), which it may overwrite. For each state component, ``states`` has an array (N + rows, H): the
            first N rows are the initial state, the scan fills in the others. It returns
            ``backward(dh, dstates, grads) -> dE/da``, where dh (rows, H) is the gradient of each row's h, or None if
            only the last state counts. ``backward`` replaces dstates, the gradients (N, H) of the last state's
            components, by those of the initial state in place, and adds to all of grads but W_x and b.
        x, state, params, lengths, return_sequences, needs_dx: the equation's arguments.
    """
    N, T, I = x.shape
    steps = Steps(N, T) if lengths is None else RaggedSteps(N, T, lengths)
    W_x, x_rows = params["W_x"], steps.rows(x, ones=1)  # the ones make b one more column of W
    W = xp.empty((len(W_x), I + 1), dtype=x.dtype)
    W[:, :I], W[:, I] = W_x, params["b"]
    a = products.matmul(x_rows, W.T)
    states = []
    for initial in state:
        states.append(xp.empty((N + len(a), initial.shape[1]), dtype=x.dtype))
        states[-1][:N] = steps.sort(initial)
    scan_backward = scan(a, states, params, steps)

    def backward(dy: Array, dlast: State, grads: Params) -> tuple[Array | None, State]:
        dstates = [steps.sort(component).copy() for component in dlast]  # copies, since the scan overwrites them
        if not return_sequences:
            dstates[0] += steps.sort(dy)
        delta = scan_backward(steps.rows(dy) if return_sequences else None, dstates, grads)
        dW, dW_x, db = products.matmul(delta.T, x_rows), grads["W_x"], grads["b"]
        dW_x += dW[:, :I]
        db += dW[:, I]
        dx = steps.batch(products.matmul(delta, W_x)) if needs_dx else None
        return dx, tuple(steps.unsort(component) for component in dstates)

    h = states[0][N:]
    last = tuple(steps.last(component[N:]) for component in states)
    return (steps.batch(h) if return_sequences else steps.last(h)), last, backward


def elman_scan(a: Array, states: list[Array], params: Params, steps: Steps) -> ScanBackward:
    """h_t = tanh(a_t + W_h h_{t-1})."""
    (h,), W_h = states, params["W_h"]
    h_rows = h[steps.N :]
    turned = products.aligned(W_h.T)  # halves the time of the loop's small products
    product = products.small_products(steps.N, turned)
    for now, before in steps.slices:
        h_now = product(h[before], turned, h_rows[now])
        h_now += a[now]
        xp.tanh(h_now, out=h_now)

    def backward(dh_rows: Array | None, dstates: list[Array], grads: Params) -> Array:
        (dh,) = dstates
        delta: Array = h_rows * h_rows
        xp.subtract(1, delta, out=delta)
        straight = products.aligned(W_h)
        product = products.small_products(steps.N, straight)
        for now, _ in reversed(steps.slices):
            d, dh_now = delta[now], dh[: now.stop - now.start]
            if dh_rows is not None:
                dh_now += dh_rows[now]
            d *= dh_now
            product(d, straight, dh_now)
        products.add_product(grads, "W_h", delta.T, h[steps.before])
        return delta

    return backward


def lstm_scan(a: Array, states: list[Array], params: Params, steps: Steps) -> ScanBackward:
    """One tanh gives all four gates i, f, g, o from a_t + W_h h_{t-1}."""
    (h, c), W_h = states, params["W_h"]
    H = W_h.shape[1]
    h_rows, c_rows = (component[steps.N :] for component in states)
    tanh_c = xp.empty_like(c_rows)
    # s(a) = 0.5 tanh(0.5 a) + 0.5, so one tanh serves all four gates
    scale = xp.full((4, H), 0.5, dtype=a.dtype)
    scale[2] = 1
    scale = scale.reshape(-1)
    shift = 1 - scale
    turned = W_h.T.copy("C")  # contiguous, which makes the loop's small products faster
    turned *= scale
    a *= scale
    i, f, g, o = (a[:, k * H : (k + 1) * H] for k in range(4))
    for now, before in steps.slices:
        gates = a[now]
        gates += products.matmul(h[before], turned)
        xp.tanh(gates, out=gates)
        gates *= scale
        gates += shift
        c_now = c_rows[now]
        xp.multiply(f[now], c[before], out=c_now)
        c_now += i[now] * g[now]
        xp.tanh(c_now, out=tanh_c[now])
        xp.multiply(o[now], tanh_c[now], out=h_rows[now])

    def backward(dh_rows: Array | None, dstates: list[Array], grads: Params) -> Array:
        dh, dc = dstates
        delta = xp.empty((len(a), 4, H), dtype=a.dtype)  # first only the factors of dc_t and dh_t
        delta[:, 0] = g * (i * (1 - i))
        delta[:, 1] = c[steps.before] * (f * (1 - f))
        delta[:, 2] = i * (1 - g * g)
        delta[:, 3] = tanh_c * (o * (1 - o))
        slope = o * (1 - tanh_c * tanh_c)
        for now, _ in reversed(steps.slices):
            n = now.stop - now.start
            d, dh_now, dc_now = delta[now], dh[:n], dc[:n]
            if dh_rows is not None:
                dh_now += dh_rows[now]
            dc_now += dh_now * slope[now]
            d[:, :3] *= dc_now[:, None]
            d[:, 3] *= dh_now
            dc_now *= f[now]
            products.matmul(d.reshape(n, 4 * H), W_h, dh_now)
        delta = delta.reshape(-1, 4 * H)
        products.add_product(grads, "W_h", delta.T, h[steps.before])
        return delta

    return backward


def gru_scan(a: Array, states: list[Array], params: Params, steps: Steps) -> ScanBackward:
    """One tanh gives the gates r and z, another the candidate n."""
    (h,), W_h, b_h = states, params["W_h"], params["b_h"]
    H = W_h.shape[1]
    h_rows = h[steps.N :]
    gates, n = a[:, : 2 * H], a[:, 2 * H :]
    r, z = gates[:, :H], gates[:, H:]
    m = xp.empty_like(h_rows)
    turned = xp.ascontiguousarray(W_h.T)  # makes the loop's small products faster
    for now, before in steps.slices:
        u = products.matmul(h[before], turned)
        rz = gates[now]
        rz += u[:, : 2 * H]
        rz *= 0.5  # s(a) = 0.5 tanh(0.5 a) + 0.5, which never overflows
        xp.tanh(rz, out=rz)
        rz *= 0.5
        rz += 0.5
        xp.add(u[:, 2 * H :], b_h, out=m[now])
        n_now, h_now = n[now], h_rows[now]
        n_now += r[now] * m[now]
        xp.tanh(n_now, out=n_now)
        xp.subtract(h[before], n_now, out=h_now)
        h_now *= z[now]
        h_now += n_now

    def backward(dh_rows: Array | None, dstates: list[Array], grads: Params) -> Array:
        (dh,) = dstates
        h_before = h[steps.before]
        dn = (1 - z) * (1 - n * n)  # first only the factors of dh_t
        delta = xp.empty((len(n), 3, H), dtype=n.dtype)
        delta[:, 0] = dn * m * (r * (1 - r))
        delta[:, 1] = (h_before - n) * (z * (1 - z))
        delta[:, 2] = dn * r
        for now, _ in reversed(steps.slices):
            size = now.stop - now.start
            d, dn_now, dh_now = delta[now], dn[now], dh[:size]
            if dh_rows is not None:
                dh_now += dh_rows[now]
            d *= dh_now[:, None]
            dn_now *= dh_now
            dh_now *= z[now]
            dh_now += products.matmul(d.reshape(size, 3 * H), W_h)
        products.accumulate(grads["W_h"], delta.reshape(-1, 3 * H).T, h_before)  # before delta changes below
        products.add_rows(grads["b_h"], delta[:, 2])
        delta[:, 2] = dn
        return delta.reshape(-1, 3 * H)

    return backward


def scan_of(step: Callable[..., Any]) -> Scan | None:
    """The scan for a step; None for a step that is not the package's own."""
    scans = {"layers.rnn.elman_step": elman_scan, "layers.lstm.lstm_step": lstm_scan, "layers.gru.gru_step": gru_scan}
    return scans.get(f"{step.__module__}.{step.__qualname__}".partition(".")[2])


def through_time(
    step: Callable[..., Any],
    x: Array,
    state: State,
    params: Params,
    lengths: np.ndarray | None,
    return_sequences: bool,
    needs_dx: bool = True,
) -> Recurrence:
    """The equation itself for a step that has no scan, and for LSTM and GRU in large batches."""
    scan = scan_of(step)
    if scan is None or (scan is not elman_scan and lengths is None and len(x) >= _MANY):
        equation: Callable[..., Recurrence] = EQUATIONS["through_time"]
        return equation(partial(_in_turn, step), x, state, params, lengths, return_sequences, needs_dx)
    return recurrence(scan, x, state, params, lengths, return_sequences, needs_dx)


def _in_turn(step: Callable[..., Any], *args: Any) -> tuple[State, Callable[..., Any]]:
    """A step and its backward, whose products go to BLAS directly."""
    following, backward = products.in_turn(step, *args)
    return following, partial(products.in_turn, backward)
