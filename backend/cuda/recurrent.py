"""Elman's recurrence over all steps in one launch: one block per sample, whose threads hold W_h in registers."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..accelerate import may_decline
from ..select import Array, Params, xp
from ..shared.recurrent import Recurrence, ScanBackward, State, elman_scan, recurrence, scan_of
from ..shared.sequences import Steps
from .kernels import REAL, launch
from .products import add_product

_UNITS = {"float32": ((128, 32), (192, 48)), "float64": ((128, 32),)}
"""(largest number of units, elements of W_h per thread) for each variant of the kernel."""


def _elman_scan(a: Array, states: list[Array], params: Params, steps: Steps) -> ScanBackward:
    """One launch each for forward and backward, if all sequences have equal lengths and W_h fits into registers."""
    (h,), W_h, N = states, params["W_h"], steps.N
    H, T = len(W_h), len(steps.slices)
    share = next((share for most, share in _UNITS[h.dtype.name] if most >= H), None)
    if share is None or len(a) != N * T:
        return elman_scan(a, states, params, steps)
    block = H * -(-H // share)
    sizes = (N, T, block // H)
    launch(f"elman_{share}", N * block, h.dtype, a, h, xp.ascontiguousarray(W_h.T), *sizes, block=block)

    def backward(dh_rows: Array | None, dstates: list[Array], grads: Params) -> Array:
        (dh,) = dstates
        delta = xp.empty_like(a)
        arrays = (h, dh_rows, dh, delta, xp.ascontiguousarray(W_h))
        launch(f"elman_gradient_{share}", N * block, h.dtype, *arrays, *sizes, block=block)
        add_product(grads, "W_h", delta.T, h[steps.before])
        return delta

    return backward


@may_decline
def through_time(
    step: Callable[..., Any],
    x: Array,
    state: State,
    params: Params,
    lengths: np.ndarray | None,
    return_sequences: bool,
    needs_dx: bool = True,
) -> Recurrence:
    """Elman's by :func:`_elman_scan`."""
    scan = scan_of(step)
    if scan is None:
        return NotImplemented
    if scan is elman_scan and x.dtype.name in REAL:
        scan = _elman_scan
    return recurrence(scan, x, state, params, lengths, return_sequences, needs_dx)
