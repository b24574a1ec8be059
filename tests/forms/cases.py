"""For each form the arguments by which it is compared with its equation, drawn from a generator.

A case takes a form, its equation, a seed and a dtype, compares, and says whether the form accepted what was drawn.
Arguments are drawn twice from one generator, so that both have copies of their own, alike in their memory order too.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import pytest
from forms import errors
from forms.errors import MARGIN, Ambiguous, Tracked
from forms.layouts import gradient, laid_out, vector
from planted.planting import package, run_plain

import xpnn as nn
from xpnn.backend import Window
from xpnn.backend.accelerate import EQUATIONS
from xpnn.models.sequential import in_a_row

ON_CPU = nn.xp is np
Rng = np.random.Generator
Case = Callable[[Any, Any, list[int], str], bool]


@contextmanager
def equations_alone(tracked: bool = False) -> Iterator[None]:
    """No equation calls a form meanwhile.

    Args:
        tracked: and each computes with tracked arrays.
    """
    instead = {"xp": errors.xp, "asarray": np.asarray, "check": lambda ok, message: None} if tracked else {}
    with pytest.MonkeyPatch.context() as monkeypatch:
        run_plain(monkeypatch)
        for module in package():
            for name, other in (
                instead.items() if module.__name__.startswith(("xpnn.layers.", "xpnn.training.")) else ()
            ):
                if hasattr(module, name):
                    monkeypatch.setattr(module, name, other)
        yield


class Draw(NamedTuple):
    """What was drawn.

    Attributes:
        inputs: the equation's arguments by name.
        back: what its backward takes; None where it has none.
        unasked: the input's gradient may be left out.
        within: in what the form is to run.
    """

    inputs: dict[str, Any]
    back: tuple[Any, ...] | None
    unasked: bool = False
    within: Any = nullcontext()

    def run(self, function: Callable[..., Any]) -> dict[str, Any] | None:
        """All arrays there are afterwards by their paths; None where the function declined."""
        returned = function(**self.inputs)
        if returned is NotImplemented:
            return None
        outputs: Any = returned
        gradients: Any = None
        if self.back is not None:
            *outputs, backward = returned
            gradients = backward(*self.back)
            gradients = gradients if isinstance(gradients, tuple) else (gradients,)
            gradients = (None, *gradients[1:]) if self.unasked else gradients
        return dict(_arrays("", {"output": outputs, "dx": gradients, "inputs": self.inputs, "back": self.back}))

    def tracked(self) -> "Draw":
        """The same for tracked arrays."""
        return Draw(_tracked(self.inputs), _tracked(self.back), self.unasked)


def _arrays(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, (tuple, list)) else ()
    for key, item in items:
        yield from _arrays(f"{path}.{key}".strip("."), item)
    if isinstance(value, (nn.xp.ndarray, np.ndarray, np.generic, Tracked)):
        yield path, value


def _tracked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tracked(item) for key, item in value.items()}
    if isinstance(value, tuple) and not isinstance(value, Window):
        return tuple(map(_tracked, value))
    return Tracked.exact(host(value)) if isinstance(value, nn.xp.ndarray) else value


def host(array: Any) -> np.ndarray:
    return nn.to_numpy(nn.xp.asarray(array))


class Computed:
    """The case of a form that computes arrays.

    Args:
        draw: draws the arguments, from a generator and a dtype.
    """

    def __init__(self, draw: Callable[[Rng, str], Draw]) -> None:
        self.draw = draw

    def __call__(self, form: Any, equation: Any, seed: list[int], dtype: str) -> bool:
        for again in range(9):
            one, other = (self.draw(np.random.default_rng([*seed, again]), dtype) for _ in range(2))
            try:
                with equations_alone(tracked=True):
                    bounds = one.tracked().run(equation)
                break
            except Ambiguous:
                continue
        with one.within:
            got = one.run(form)
        if got is None:
            return False
        with equations_alone():
            wanted = other.run(equation)
        assert got.keys() == wanted.keys() <= bounds.keys()
        for path, array in wanted.items():
            compare(f"{one}\n{path}", host(got[path]), host(array), bounds[path])
        return True


def compare(what: str, got: np.ndarray, wanted: np.ndarray, bound: Any) -> None:
    """The same shape and dtype; whole numbers are the same, others lie no farther apart than rounding explains."""
    assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype), what
    if not isinstance(bound, Tracked):
        np.testing.assert_array_equal(got, wanted, what)
        return
    assert (np.isnan(got) == np.isnan(wanted)).all(), what
    with np.errstate(invalid="ignore"):  # infinity equals itself
        units = np.where(got == wanted, 0, abs(got.astype("float64") - wanted)) / np.finfo(wanted.dtype).eps
    allowed = MARGIN * np.broadcast_to(bound.error, units.shape)
    over = ~(np.isnan(got) | (units <= allowed))
    assert not over.any(), (
        f"{what}: {over.sum()} of {over.size} elements differ, the first by {units[over][0]:.3g} eps where rounding "
        f"explains {allowed[over][0]:.3g}: {got[over][0]} for {wanted[over][0]}"
    )


def normal(rng: Rng, shape: Any, dtype: str) -> np.ndarray:
    return rng.standard_normal(shape).astype(dtype)


def one_of(rng: Rng, *choices: Any) -> Any:
    return choices[int(rng.integers(len(choices)))]


def sizes(rng: Rng, count: int, most: int) -> list[int]:
    """Lengths of axes, each of them 1 every now and then."""
    return [1 if rng.random() < 0.2 else int(rng.integers(1, most + 1)) for _ in range(count)]


def started(rng: Rng, params: dict[str, Any], dtype: str) -> dict[str, Any]:
    """Gradients that are not 0 before, so that what is added shows."""
    return {key: vector(normal(rng, value.shape, dtype)) for key, value in params.items()}


# -- convolution and pooling


def conv2d(rng: Rng, dtype: str) -> Draw:
    N, C, D = sizes(rng, 3, 4)
    groups = one_of(rng, 1, 1, 2, 3)
    k1, k2, s1, s2 = sizes(rng, 4, 3)
    if rng.random() < 0.5:
        s1 = s2 = 1
    (p1, p2), (d1, d2) = rng.integers(0, 3, 2).tolist(), sizes(rng, 2, 3)
    more = sizes(rng, 2, 7)
    if rng.random() < 0.15:  # the kernel has one place alone
        p1 = p2 = 0
        d1 = d2 = more[0] = more[1] = 1
    if rng.random() < 0.15:  # where products with many kernels are worth cuBLAS
        N, C, D, groups, s1, s2, d1, more = 2, 22, 33, 1, 1, 1, 1, [3, 4]
        k1 = k2 = 3
    H, W = (max(1, d * (k - 1) - 2 * p + m) for d, k, p, m in ((d1, k1, p1, more[0]), (d2, k2, p2, more[1])))
    window = Window((k1, k2), (s1, s2), (p1, p2), (d1, d2))
    params = {"W": vector(normal(rng, (D * groups, C, k1, k2), dtype)), "b": vector(normal(rng, D * groups, dtype))}
    o, needs_dx = laid_out(rng, normal(rng, (N, C * groups, H, W), dtype)), bool(rng.random() < 0.8)
    dy = gradient(rng, normal(rng, (N, D * groups, *window.positions((H, W))), dtype))
    inputs = {"o": o, "params": params, "window": window, "groups": groups, "needs_dx": needs_dx}
    return Draw(inputs, (dy, started(rng, params, dtype)), not needs_dx, one_of(rng, nullcontext(), small_tiles()))


@contextmanager
def small_tiles() -> Iterator[None]:
    """As for far larger images: the CPU's tiles hold few columns, and a device's blocks take many kernels."""
    with patch("xpnn.backend.shared.im2col.WORKSPACE_BYTES", 1 << 11):
        if ON_CPU:
            yield
            return
        with patch("xpnn.backend.cuda.convolution._WIDE", 0):
            yield


def _pool(rng: Rng) -> tuple[tuple[int, ...], Window]:
    """A shape and a window that fits."""
    N, C, k1, k2 = sizes(rng, 4, 3)
    if rng.random() < 0.1:
        N = 130  # of which a thread has several samples
    padding = int(rng.integers(k1)), int(rng.integers(k2))
    H, W = (max(1, k - 2 * p + int(rng.integers(6))) for k, p in zip((k1, k2), padding, strict=True))
    stride = (k1, k2) if rng.random() < 0.4 else tuple(sizes(rng, 2, 4))
    return (N, C, H, W), Window((k1, k2), stride, padding)  # type: ignore[arg-type]


def max_pool(rng: Rng, dtype: str) -> Draw:
    shape, window = _pool(rng)
    ties = rng.integers(-2, 3, shape).astype(dtype)
    ends = rng.choice(np.array([-np.inf, np.nan, 1], dtype), shape)
    x, needs_dx = laid_out(rng, one_of(rng, ties, ends, normal(rng, shape, dtype))), bool(rng.random() < 0.8)
    dy = gradient(rng, normal(rng, (*shape[:2], *window.positions(shape[2:])), dtype))
    return Draw({"x": x, "window": window, "needs_dx": needs_dx}, (dy,), not needs_dx)


def mean_pool(rng: Rng, dtype: str) -> Draw:
    shape, window = _pool(rng)
    dy = gradient(rng, normal(rng, (*shape[:2], *window.positions(shape[2:])), dtype))
    return Draw({"x": laid_out(rng, normal(rng, shape, dtype)), "window": window}, (dy,))


# -- dense layers and activations


def _dense(rng: Rng, dtype: str, grid: bool) -> tuple[dict[str, Any], tuple[Any, ...]]:
    N, I, H = sizes(rng, 3, 20)
    if rng.random() < 0.2:
        I = 192  # a sum in pieces
    if rng.random() < 0.1:
        N, I, H = 3, 129, 130  # where BLAS adds to the gradient itself
    a, W, b = (
        rng.integers(-3, 4, shape).astype(dtype) if grid else normal(rng, shape, dtype) / np.sqrt(I).astype(dtype)
        for shape in ((I, N), (H, I), H)
    )
    params = {"W": vector(W), "b": vector(b)}
    needs_dx = bool(rng.random() < 0.8)
    inputs = {"a": laid_out(rng, a), "params": params, "needs_dx": needs_dx}
    return inputs, (gradient(rng, normal(rng, (H, N), dtype)), started(rng, params, dtype))


def dense(rng: Rng, dtype: str) -> Draw:
    inputs, back = _dense(rng, dtype, grid=False)
    return Draw(inputs, back, not inputs["needs_dx"])


CONSTANTS: dict[str, Callable[[Rng], tuple[float, ...]]] = {
    "sigmoid": lambda rng: (),
    "tanh": lambda rng: (),
    "scaled_tanh": lambda rng: (one_of(rng, 1.7159, -0.5, 2), one_of(rng, 2 / 3, 1.5, 1)),
    "relu": lambda rng: (),
    "leaky_relu": lambda rng: (one_of(rng, 0.01, -0.3, 0.0, 1, 2.5),),
}
"""Each activation's own."""


def dense_activated(rng: Rng, dtype: str) -> Draw:
    f = one_of(rng, *CONSTANTS)
    # z is a whole number there, the same by any order of its sum, so that its sign never hangs on a rounding
    inputs, back = _dense(rng, dtype, grid=f in ("relu", "leaky_relu"))
    return Draw(inputs | {"f": EQUATIONS[f], "constants": CONSTANTS[f](rng)}, back, not inputs["needs_dx"])


def activation(name: str) -> Computed:
    def draw(rng: Rng, dtype: str) -> Draw:
        shape = sizes(rng, int(rng.integers(5)), 6)
        z = one_of(rng, 3 * normal(rng, shape, dtype), rng.integers(-2, 3, shape).astype(dtype))
        names = {"scaled_tanh": ("amplitude", "slope"), "leaky_relu": ("slope",)}.get(name, ())
        constants = dict(zip(names, CONSTANTS[name](rng), strict=True))
        return Draw({"z": laid_out(rng, np.asarray(z))} | constants, (gradient(rng, normal(rng, shape, dtype)),))

    return Computed(draw)


# -- the other layers, and a loss


def embedding(rng: Rng, dtype: str) -> Draw:
    V, D, N, T = sizes(rng, 4, 9)
    shape = one_of(rng, (N,), (N, T), (N, T, 2))
    i = laid_out(rng, rng.integers(0, V, shape).astype(one_of(rng, "int64", "int32", "uint8")))
    params = {"W": vector(normal(rng, (V, D), dtype))}
    return Draw(
        {"i": i, "params": params}, (gradient(rng, normal(rng, (*shape, D), dtype)), started(rng, params, dtype))
    )


def _features(rng: Rng, dtype: str) -> tuple[dict[str, Any], tuple[Any, ...], int]:
    N, C, H, W = sizes(rng, 4, 6)
    shape = one_of(rng, (N + 1, C), (N + 1, C, H), (N + 1, C, H, W))
    x = laid_out(rng, normal(rng, shape, dtype) + dtype_of(dtype)(rng.normal(0, 2)))
    params = {key: vector(normal(rng, C, dtype)) for key in ("gamma", "beta")}
    inputs = {"x": x, "params": params, "eps": one_of(rng, 1e-5, 0.1), "needs_dx": bool(rng.random() < 0.8)}
    return inputs, (gradient(rng, normal(rng, shape, dtype)), started(rng, params, dtype)), C


def dtype_of(name: str) -> Any:
    return np.dtype(name).type


def batch_norm(rng: Rng, dtype: str) -> Draw:
    inputs, back, C = _features(rng, dtype)
    others = one_of(rng, 0, 3)  # processes, which have the same sums
    M = inputs["x"].size // C * (1 + others)
    return Draw(inputs | {"M": M, "total": lambda sums: (1 + others) * sums}, back, not inputs["needs_dx"])


def fixed_norm(rng: Rng, dtype: str) -> Draw:
    inputs, back, C = _features(rng, dtype)
    mean, var = (vector(values) for values in (normal(rng, C, dtype), rng.uniform(0.1, 2, C).astype(dtype)))
    return Draw(inputs | {"mean": mean, "var": var}, back, not inputs["needs_dx"])


def through_time(rng: Rng, dtype: str) -> Draw:
    layer = one_of(rng, nn.RNN, nn.LSTM, nn.GRU)
    gates, components = layer.biases["b"], len(layer.state_names)
    (N, T), I, H = sizes(rng, 2, 5), *sizes(rng, 1, 6), one_of(rng, 1, 2, 7, 35)
    if rng.random() < 0.1:
        N, T, H = 2, 2, 130  # more units than a device's kernel holds in float64
    blocks = {"W_x": (gates * H, I), "W_h": (gates * H, H)} | {key: (n * H,) for key, n in layer.biases.items()}
    params = {key: vector(normal(rng, shape, dtype) / dtype_of(dtype)(H**0.5)) for key, shape in blocks.items()}
    lengths = rng.integers(1, T + 1, N) if rng.random() < 0.5 else None
    each, needs_dx = bool(rng.random() < 0.5), bool(rng.random() < 0.8)
    x, dy = normal(rng, (N, T, I), dtype), normal(rng, (N, T, H) if each else (N, H), dtype)
    for n, length in enumerate(() if lengths is None else lengths):  # what stands there has no influence
        x[n, length:] = np.nan
        if each:
            dy[n, length:] = np.nan
    state, dlast = (tuple(laid_out(rng, normal(rng, (N, H), dtype)) for _ in range(components)) for _ in range(2))
    inputs = {"step": layer.step, "x": laid_out(rng, x), "state": state, "params": params, "lengths": lengths}
    back = (laid_out(rng, dy), dlast, started(rng, params, dtype))
    return Draw(inputs | {"return_sequences": each, "needs_dx": needs_dx}, back, not needs_dx)


def softmax_cross_entropy(rng: Rng, dtype: str) -> Draw:
    N, T = sizes(rng, 2, 30)
    shape = (*one_of(rng, (N,), (N, T)), *sizes(rng, 1, 12))
    logits = laid_out(rng, dtype_of(dtype)(one_of(rng, 1, 30)) * normal(rng, shape, dtype))
    labels = rng.integers(0, shape[-1], shape[:-1]).astype(one_of(rng, "int64", "int32", "uint8"))
    ignore = one_of(rng, -100, -100, 0)
    if labels.dtype != "uint8" and rng.random() < 0.3:
        labels[rng.random(labels.shape) < 0.5] = ignore
    inputs = {"logits": logits, "labels": laid_out(rng, labels), "complaint": "a label", "ignore": ignore}
    weights = rng.random(one_of(rng, shape[:1], shape[:-1])).astype(dtype) if rng.random() < 0.3 else None
    return Draw(inputs | {"weights": None if weights is None else laid_out(rng, weights)}, ())


# -- updates


def _vectors(rng: Rng, dtype: str, count: int) -> list[Any]:
    size = one_of(rng, 1, 2, 255, 513, (1 << 18) + 3 if ON_CPU else 1025)  # more than one block of the CPU's
    return [vector(normal(rng, size, dtype)) for _ in range(count)]


def _scalar(rng: Rng, value: float, dtype: str) -> Any:
    """The number, or on a device the 0-d array that a captured step has in its place."""
    return value if ON_CPU or rng.random() < 0.5 else nn.xp.asarray(np.array(value, dtype))


def sgd(rng: Rng, dtype: str) -> Draw:
    p, g, v = _vectors(rng, dtype, 3)
    momentum = one_of(rng, 0.0, 0.9, 0.5)
    settings = {"momentum": momentum, "nesterov": bool(momentum and rng.random() < 0.5)}
    inputs = {"p": p, "g": g, "v": v if momentum else None, "lr": _scalar(rng, 0.3, dtype)}
    return Draw(inputs | settings | {"weight_decay": one_of(rng, 0, 1, 0.1, np.float32(0.1))}, None)


def adam(rng: Rng, dtype: str) -> Draw:
    p, g, m, v = _vectors(rng, dtype, 4)
    v *= v
    v += 0.01  # far from 0, as after some steps: beside the root's error, that of 1 / sqrt(v) at 0 has no bound
    shrink, decay = one_of(rng, (1.0, 0), (1.0, 0.1), (0.97, 0.0))  # Adam decays by the one or, as AdamW, the other
    inputs = {"p": p, "g": g, "m": m, "v": v, "scalars": tuple(_scalar(rng, x, dtype) for x in (0.02, 1e-6, shrink))}
    betas = one_of(rng, (0.9, 0.999), (0, 0.5), tuple(np.float32([0.875, 0.75])))
    return Draw(inputs | {"betas": betas, "weight_decay": decay}, None)


def euclidean_norm(rng: Rng, dtype: str) -> Draw:
    return Draw({"g": _vectors(rng, dtype, 1)[0]}, None)


# -- what computes no arrays of its own


def captured(form: Any, equation: Any, seed: list[int], dtype: str) -> bool:
    """The same results, and the same state behind them, over steps with another batch and another rate each."""
    rng = np.random.default_rng(seed)
    shape, other = (sizes(rng, 2, 5) for _ in range(2))
    batches = [normal(rng, (*shape[:1], 3), dtype) for _ in range(6)]
    batches[2] = normal(rng, (shape[0] + other[0], 3), dtype)  # the last of an epoch, say
    rates = rng.uniform(0, 1, len(batches)).tolist()

    def results(capture: Any) -> list[np.ndarray]:
        total = nn.xp.zeros(3, dtype=dtype)

        def step(x: Any, rate: Any) -> Any:
            nonlocal total
            total += rate * x.sum(0)
            return total * x

        run = capture(step, dtype)
        return [host(run(nn.asarray(x, dtype), rate)).copy() for x, rate in zip(batches, rates, strict=True)]

    for got, wanted in zip(results(form), results(equation), strict=True):
        np.testing.assert_array_equal(got, wanted)
    return True


def prefetch(form: Any, equation: Any, seed: list[int], dtype: str) -> bool:
    """The same batches, whatever the host's arrays lie like."""
    rng = np.random.default_rng(seed)
    samples = int(rng.integers(1, 30))
    x = one_of(rng, normal(rng, (samples, 3, 2), "float64"), normal(rng, (samples, 3), dtype))
    x = one_of(rng, x, np.asfortranarray(x), x[::-1])
    y = rng.integers(0, 9, samples).astype(one_of(rng, "int64", "int32", "uint8"))
    order = rng.permutation(samples)
    step = int(rng.integers(1, samples + 2))
    indices = one_of(rng, np.arange(samples), order)
    batches = [indices[i : i + step] for i in range(0, samples, step)]
    if rng.random() < 0.5:
        batches = [slice(i, i + step) for i in range(0, samples, step)]
    got, wanted = (list(function((x, y), iter(batches), dtype)) for function in (form, equation))
    assert len(got) == len(wanted)
    for one, other in zip(got, wanted, strict=True):
        for array, same in zip(one, other, strict=True):
            assert (array.shape, array.dtype) == (same.shape, same.dtype)
            np.testing.assert_array_equal(host(array), host(same))
    return True


def batch_slices(form: Any, equation: Any, seed: list[int], dtype: str) -> bool:
    """Slices that cover the batch once, in order."""
    rng = np.random.default_rng(seed)
    samples = int(rng.integers(1, 200))
    elements = samples * one_of(rng, 1, 784, 3 * 224 * 224)
    threads = int(rng.integers(1, 9))
    for function in (form, equation):
        with patch("xpnn.backend.cpu.threads.blas_threads", lambda: threads):
            slices = function(samples, elements)
        assert all(range(samples)[s] for s in slices)
        assert [n for s in slices for n in range(samples)[s]] == list(range(samples))
    return True


def _networks(dtype: str) -> list[Callable[[], nn.Sequential]]:
    def conv(C: int, D: int, k: int = 3) -> nn.Conv2D:
        return nn.Conv2D(C, D, k, padding=k // 2, rng=k * C + D, dtype=dtype)

    def head(size: int) -> tuple[nn.Layer, ...]:
        return nn.Flatten(), nn.Dense(size, 5, rng=1, dtype=dtype)

    def nested() -> nn.Sequential:
        body = nn.Sequential(conv(3, 4), nn.Sigmoid())
        return nn.Sequential(body, nn.Sequential(nn.AvgPool2D(2), *head(4 * 3 * 2)))

    def twice() -> nn.Sequential:
        layer = conv(3, 3)
        return nn.Sequential(layer, nn.Tanh(), layer, *head(3 * 6 * 5))

    def residual() -> nn.Sequential:
        body = nn.Sequential(conv(3, 4), nn.Tanh(), conv(4, 4))
        return nn.Sequential(nn.Residual(body, conv(3, 4, 1)), nn.Residual(nn.AvgPool2D(3, 1, 1)), *head(4 * 6 * 5))

    return [lambda: nn.Sequential(conv(3, 4), nn.ReLU(), nn.MaxPool2D(2), *head(4 * 3 * 2)), nested, twice, residual]


def in_slices(form: Any, equation: Any, seed: list[int], dtype: str) -> bool:
    """The outputs, the gradients, and the input's, of a small network by slices of any lengths."""
    for again in range(9):
        rng = np.random.default_rng([*seed, again])
        build, N, threads = one_of(rng, *_networks(dtype)), int(rng.integers(2, 9)), int(rng.integers(1, 4))
        cuts = (np.flatnonzero(rng.random(N - 1) < 0.5) + 1).tolist()
        slices = [slice(start, end) for start, end in zip([0, *cuts], [*cuts, N], strict=True)]
        given = {
            "x": normal(rng, (N, 3, 6, 5), dtype),
            "dy": normal(rng, (N, 5), dtype),
            "starts": normal(rng, 10_000, dtype),
            "needs_dx": bool(rng.random() < 0.7),
        }
        model = build()
        try:
            with equations_alone(tracked=True):
                bounds = _results(model, in_a_row, Tracked.exact, **given)
            break
        except Ambiguous:
            continue
    with patch("xpnn.backend.cpu.slices.blas_threads", lambda: threads):
        got, wanted = (
            _results(build(), partial(_sliced, function, slices), nn.xp.array, **given) for function in (form, equation)
        )
    assert got.keys() == wanted.keys() == bounds.keys()
    for path, array in wanted.items():
        compare(f"{model} by {slices}: {path}", host(got[path]), host(array), bounds[path])
    return True


def _sliced(function: Any, slices: list[slice], layers: Any, x: Any, needs_dx: bool) -> Any:
    return function(in_a_row, layers, x, slices, needs_dx)


def _results(
    model: nn.Sequential,
    run: Any,
    array: Callable[[np.ndarray], Any],
    x: np.ndarray,
    dy: np.ndarray,
    starts: np.ndarray,
    needs_dx: bool,
) -> dict[str, Any]:
    """All that a pass through the model's layers gives, with arrays of a kind."""
    leaves = [leaf for _, leaf in model.leaves() if leaf.params]
    for leaf in leaves:
        params = {key: array(host(value)) for key, value in leaf.params.items()}
        leaf.grads = {key: array(starts[: value.size].reshape(value.shape)) for key, value in params.items()}
        leaf.params = params
    y, backward = run(model.layers, array(x), needs_dx)
    dx = backward(array(dy))
    grads = {f"{i} {leaf}.{key}": value for i, leaf in enumerate(leaves) for key, value in leaf.grads.items()}
    return {"y": y} | ({"dx": dx} if needs_dx else {}) | grads


CASES: dict[str, Case] = {
    "conv2d": Computed(conv2d),
    "max_pool": Computed(max_pool),
    "mean_pool": Computed(mean_pool),
    "dense": Computed(dense),
    "dense_activated": Computed(dense_activated),
    **{name: activation(name) for name in CONSTANTS},
    "embedding": Computed(embedding),
    "batch_norm": Computed(batch_norm),
    "fixed_norm": Computed(fixed_norm),
    "through_time": Computed(through_time),
    "softmax_cross_entropy": Computed(softmax_cross_entropy),
    "sgd": Computed(sgd),
    "adam": Computed(adam),
    "euclidean_norm": Computed(euclidean_norm),
    "captured": captured,
    "prefetch": prefetch,
    "batch_slices": batch_slices,
    "in_slices": in_slices,
}
"""By the forms' names."""
