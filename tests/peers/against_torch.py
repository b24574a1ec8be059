"""One comparison for every layer: xpnn in float64 or float32 against PyTorch in float64.

Two bounds, and nothing between them:

* float64: norm(a - b) <= 1e-10 max(norm(b), tiny), with Euclidean norms over a whole array (an output, an input's
  gradient, a parameter's gradient), b being PyTorch's, tiny the smallest normal number.
* float32: |a - b| <= gamma(n) M for every single entry, the bound of rounding-error analysis for any order of
  summation (Higham, "Accuracy and stability of numerical algorithms", 2002, section 3.1): u = 2^-24 is the unit
  roundoff, n the most roundings in a row that an entry goes through (for a sum of products its number of terms),
  gamma(n) = n u / (1 - n u), and M the sum of the magnitudes of the entry's terms. PyTorch computes b in float64 from
  the very same numbers. No factor is added to make a test pass: where n is more than a number of terms, the test
  that gives it derives it. No drawn value is so small that a product underflows.

An elementary function's result is taken to err by 4 units in the last place at most, 8 u (NumPy's own limit for its
float32 functions).
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from border import STAND_IN
from hypothesis import settings
from hypothesis import strategies as st

import xpnn as nn

torch.set_num_threads(1)  # the same order of summation on every machine

Arrays = dict[str, np.ndarray]
Function = Callable[..., torch.Tensor]
Measured = Callable[[str, float], None]

PROPERTY = settings(derandomize=True, deadline=None, max_examples=15 if STAND_IN else 100)
"""The same examples in every run; no time limit an example, as a loaded machine would break it."""

BATCH = st.integers(1, 9)
SEEDS = st.integers(0, 2**32 - 1)

LAYOUTS = ("C", "Fortran", "batch last", "reversed", "every second", "mixed")
"""Memory orders: of the axes, backwards along all of them, with gaps, and any mixture of these."""


def pairs(least: int, most: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(least, most), st.integers(least, most))


def place(values: np.ndarray, layout: str, rng: np.random.Generator):
    """The values as an array of the backend, laid out in memory as said; gaps hold NaN, or the largest integer."""
    axes = np.arange(values.ndim)
    order, steps = {
        "C": (axes, 1),
        "Fortran": (axes[::-1], 1),
        "batch last": (np.roll(axes, -1), 1),
        "reversed": (axes, -1),
        "every second": (axes, 2),
        "mixed": (rng.permutation(axes), rng.choice([-2, -1, 1, 2], values.ndim)),
    }[layout]
    steps = np.broadcast_to(steps, values.ndim).tolist()
    view = tuple(slice(None, None, step) for step in steps)
    gap = np.nan if values.dtype.kind == "f" else np.iinfo(values.dtype).max
    memory = np.full([n * abs(step) for n, step in zip(values.shape, steps, strict=True)], gap, values.dtype)
    memory[view] = values
    memory = np.ascontiguousarray(memory.transpose(order))
    return nn.asarray(memory, values.dtype).transpose(np.argsort(order).tolist())[view]


def repeat(values: np.ndarray, N: int):
    """N times the values as one array of the backend that holds them once, as broadcasting gives it."""
    return nn.xp.broadcast_to(nn.asarray(values, values.dtype), (N, *values.shape))


def normal(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    return np.asarray(rng.standard_normal(shape), dtype)


def randomize(layer: nn.Layer, rng: np.random.Generator) -> nn.Layer:
    """The layer with normal parameters, biases too, of variance 1 / fan_in."""
    for key, value in layer.params.items():
        layer.params[key] = rng.standard_normal(value.shape) / math.sqrt(math.prod(value.shape[1:]))
    return layer


def differentiate(function: Function, arguments: Arrays, upstream: list[np.ndarray]) -> tuple[np.ndarray, list[Arrays]]:
    """function(**arguments) in float64 by PyTorch, and for each dy its gradients for the floating-point arguments."""
    tensors = {key: torch.tensor(value) for key, value in arguments.items()}
    leaves = {key: t.double().requires_grad_() for key, t in tensors.items() if t.is_floating_point()}
    y = function(**(tensors | leaves))
    gradients = []
    for dy in upstream:
        values = torch.autograd.grad(y, list(leaves.values()), torch.tensor(dy).double(), retain_graph=True)
        gradients.append({key: value.numpy() for key, value in zip(leaves, values, strict=True)})
    return y.detach().numpy(), gradients


def agree(
    measured: Measured,
    layer: nn.Layer,
    reference: Function,
    rng: np.random.Generator,
    layout: str,
    *,
    terms: int = 1,
    magnitude: Function | None = None,
    forward: Callable | None = None,
    **inputs: np.ndarray,
) -> None:
    """Compare one forward pass and two backward passes of the layer with PyTorch's.

    The gradients of the two backward passes must add up, and neither pass may change what it was given.

    Args:
        measured: the fixture.
        layer: its parameters go to the reference under their own names.
        reference: the layer as a function of tensors, of the inputs and the parameters by name.
        rng: draws the upstream gradients, one for each sample in a drawn layout, then one for the whole batch.
        layout: of the inputs.
        terms: the float32 bound's n.
        magnitude: a function whose value and gradients at the arguments' magnitudes are the float32 bound's M; by
            default the reference itself at the arguments as they are, right where no sum has terms of both signs.
        forward: by default the layer's own; takes the inputs in order, its backward gives their gradients in order.
        inputs: by the names that the reference gives them.
    """
    dtype = layer.dtype or next(iter(inputs.values())).dtype
    arguments = inputs | {key: nn.to_numpy(value).copy() for key, value in layer.params.items()}
    placed = [place(value, layout, rng) for value in inputs.values()]
    y, backward = (forward or layer.forward)(*placed)
    y_host = nn.to_numpy(y).copy()

    of_each, of_all = normal(rng, y.shape, dtype), normal(rng, y.shape[1:], dtype)
    upstream = [of_each, np.broadcast_to(of_all, y.shape)]
    results = []
    for dy, placed_dy in (of_each, place(of_each, rng.choice(LAYOUTS), rng)), (upstream[1], repeat(of_all, len(y))):
        result = backward(placed_dy)
        results.append(result if isinstance(result, tuple) else (result,))
        assert np.array_equal(nn.to_numpy(placed_dy), dy), f"{layer}: backward changed dy"
    for before, after in zip((*inputs.values(), y_host), (*placed, y), strict=True):
        assert np.array_equal(nn.to_numpy(after), before), f"{layer}: the input or the output was changed"

    want_y, want = differentiate(reference, arguments, upstream)
    if magnitude is None:
        most_y, most = differentiate(reference, arguments, [abs(dy) for dy in upstream])
    else:
        most_y, most = differentiate(magnitude, {k: abs(v) for k, v in arguments.items()}, [abs(dy) for dy in upstream])
    compare = Comparison(measured, repr(layer), type(layer).__name__, dtype, terms + 1)  # + 1 for the sum of two passes
    compare("y", y, want_y, most_y)
    for key, value in layer.grads.items():
        compare(f"dE/d{key}", value, want[0][key] + want[1][key], most[0][key] + most[1][key])
    for result, want_pass, most_pass in zip(results, want, most, strict=True):
        for (key, values), got in zip(inputs.items(), result, strict=True):
            if values.dtype.kind == "f":
                compare(f"dE/d{key}", got, want_pass[key], most_pass[key])
            else:
                assert got is None, f"{layer}: a gradient for integers"


class Comparison:
    """Holds what is compared to this module's bounds, and measures it."""

    def __init__(self, measured: Measured, title: str, name: str, dtype: np.dtype | str, terms: int) -> None:
        self.measured, self.title, self.name, self.dtype, self.terms = measured, title, name, np.dtype(dtype), terms

    def __call__(self, what: str, got, want: np.ndarray, most: np.ndarray) -> None:
        """Compare an array of the backend with PyTorch's; ``most`` is the float32 bound's M."""
        got = nn.to_numpy(got)
        assert got.shape == want.shape, f"{self.title}: {what} has shape {got.shape}, not {want.shape}"
        assert got.dtype == self.dtype, f"{self.title}: {what} has dtype {got.dtype}, not {self.dtype}"
        assert np.isfinite(want).all()
        difference = got.astype("float64") - want
        error = float(np.linalg.norm(difference) / max(np.linalg.norm(want), np.finfo("float64").tiny))
        self.measured(f"torch, {self.name}, {self.dtype}, relative error", error)
        if self.dtype == "float64":
            assert error <= 1e-10, f"{self.title}: {what} errs by {error:.2g}"
        else:
            bound = self.terms * 2.0**-24 / (1 - self.terms * 2.0**-24) * abs(most)
            excess = (abs(difference) - bound).max()
            assert excess <= 0, f"{self.title}: {what} errs by {error:.2g}, past its bound by {excess:.2g}"
