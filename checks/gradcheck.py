"""Backward compared with central differences of forward, in float64."""

from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np

from ..backend import Array, Rng, asarray, name, to_numpy, xp
from ..layers import Backward, Composite, Layer, Loss
from ..layers.base import several
from ..layers.parameters import Parameters
from .report import GradientReport, GradientRow

STEPS = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
"""Steps of the differences, tried in this order: large steps have less rounding error, small ones avoid kinks."""

EPSILON = 2.0**-52  # float64's machine epsilon

ROUNDING = 64 * EPSILON
"""Relative rounding error of a fourth difference: its weights sum to 16, and each value is itself rounded."""


def gradcheck(
    layer: Layer | Loss,
    x: Any,
    *,
    loss: Loss | None = None,
    targets: Any = None,
    weights: Any = None,
    rng: Rng = 0,
    tolerance: float = 1e-6,
    directions: int = 4,
    max_elements: int = 100,
    **options: Any,
) -> GradientReport:
    r"""Compare the gradients from backward with differences of forward.

    With phi = sum_i g_i y_i, the output y weighted by a random upstream gradient g (or phi = loss(y, targets)), a
    direction v in a parameter or the input, and a small step h::

        <dphi/dtheta, v>  =  (4 D(h) - D(2h)) / 3 + O(h^4),     D(h) = (phi(theta + h v) - phi(theta - h v)) / (2h)

    Arrays of at most ``max_elements`` are compared element by element, larger ones along random Gaussian directions: a
    wrong gradient's error is orthogonal to one with probability 0. The gradients come from two passes, with and without
    dE/dx (``needs_dx``); the second adds to the sums of the first. Both must agree with the differences, so the check
    also finds a backward that overwrites ``grads`` instead of adding.

    At a kink (ReLU at 0, a change of the maximum) there is no derivative. The five values phi(-2h), ..., phi(2h) reveal
    this: if phi is smooth, both |D(h) - D(2h)| and the fourth difference over h vanish with h; if there is a kink among
    the five, the larger of the two is at least the quotient's error. While it exceeds the tolerance, h is reduced. If
    no step is small enough, the probe is discarded and another direction is drawn. A row with less than half of its
    probes left fails as "unresolved". The tolerance is never increased.

    Everything is computed in float64 on deep copies: the layer, its gradients, random generators and running statistics
    do not change, a float32 layer is checked at its own parameters, and dropout draws the same mask each time.

    Args:
        layer: a layer, a whole network, or a loss alone (x is then its outputs).
        x: the input, host data or an array of the backend; floating-point data become float64, while integers (for an
            Embedding) keep their dtype and have no gradient to check. A tuple for a layer that joins several inputs.
        loss: a loss on top of the network; phi is then its value.
        targets, weights: the loss's targets and weights.
        rng: seed or generator of the upstream gradient and the directions.
        tolerance: the largest accepted relative error; float64 differences reach about 1e-10.
        directions: the number of random directions for each large array.
        max_elements: the size up to which every element is compared.
        options: passed on to ``layer.forward``.

    Raises:
        TypeError: layer or loss is of a wrong type; x is not numeric.
        ValueError: x is empty; x, a parameter or the output holds NaN or infinity; loss and targets are not given
            together; a setting is out of its range.
        Exception: whatever the layer itself raises.

    >>> gradcheck(Dense(3, 2, rng=0), np.ones((4, 3))).ok
    True
    """
    if not 0 < tolerance < 1 or directions < 1 or max_elements < 0:
        raise ValueError(
            "gradcheck: expected 0 < tolerance < 1, directions >= 1 and max_elements >= 0, "
            f"got {tolerance}, {directions} and {max_elements}"
        )
    rng = np.random.default_rng(rng)
    phi = _Function(layer, x, loss, (targets, weights), rng, options)
    passes, dx = phi.gradients()

    def row(path: str, layer: str, parameter: str, array: Array, gradients: list[np.ndarray]) -> GradientRow:
        small = array.size <= max_elements
        probes = np.eye(array.size) if small else rng.standard_normal((2 * directions, array.size))
        wanted, unit = (array.size, "elements") if small else (directions, "directions")
        comparison = _compare(phi, array, gradients, probes, wanted, tolerance)
        return GradientRow(path, layer, parameter, *comparison.summary(wanted, unit, tolerance))

    rows = [
        row(path, str(leaf), key, param, [gradients[path, key] for gradients in passes])
        for path, leaf in phi.layer.leaves()
        for key, param in leaf.params.items()
    ]
    of = type(layer).__name__ if isinstance(layer, Composite) else str(layer)
    for index, (part, d) in enumerate(zip(several(phi.x), dx, strict=True)):
        if part.dtype.kind == "f":
            what = f"input[{index}]" if isinstance(phi.x, tuple) else "input"
            rows.append(row("", of, what, part, [np.zeros(part.shape) if d is None else d]))
    shapes, dtypes = (", ".join(str(getattr(part, key)) for part in several(phi.x)) for key in ("shape", "dtype"))
    if not rows:
        raise ValueError(f"gradcheck: {layer} has no parameters, and an input of dtype {dtypes} has no gradient")
    title = f"gradcheck of {type(layer).__name__}, x {shapes}, float64 on {name}, tolerance {tolerance:g}"
    return GradientReport(title, tuple(rows))


class _Identity(Layer):
    """The layer under a loss that is checked by itself."""

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        return x, lambda dy: dy


class _Function:
    """The scalar function phi(parameters, x); each call uses a new copy of the layer.

    Attributes:
        layer, x: float64 copies. Changing their arrays in place moves the point at which phi is evaluated.
        center: phi at the initial point.
        size: the magnitude of phi's terms, to which its rounding error is proportional.
    """

    def __init__(
        self, layer: Any, x: Any, loss: Any, data: tuple[Any, Any], rng: "np.random.Generator", options: dict[str, Any]
    ) -> None:
        if isinstance(layer, Loss) and loss is None:
            layer, loss = _Identity(), layer
        if not isinstance(layer, Layer) or not (loss is None or isinstance(loss, Loss)):
            wrong = loss if isinstance(layer, Layer) else layer
            raise TypeError(f"gradcheck: expected a layer or a loss, got {type(wrong).__name__}")
        targets, weights = data
        if (loss is None) != (targets is None) or (loss is None and weights is not None):
            raise ValueError("gradcheck: expected a loss and its targets, or neither")
        self.layer, self.loss, self.options = in_float64(layer), loss, options
        self.x = _data("x", x, several=self.layer.joins)
        named = ("targets", targets), ("weights", weights)
        self.data: list[Any] = [None if given is None else _data(what, given) for what, given in named]
        for path, leaf in self.layer.leaves():
            for key, value in leaf.params.items():
                _check_finite(f"parameter {key!r} of {f'{path} {leaf}'.strip()}", value)
        y, _ = deepcopy(self.layer).forward(self.x, **options)
        for output in several(y):
            _check_finite("the output", output)
        self.upstream: Any = tuple(asarray(rng.standard_normal(output.shape), "float64") for output in several(y))
        value, dy = self._top(y)
        self.center = float(to_numpy(value))
        terms = (abs(d * output).sum() for d, output in zip(several(dy), several(y), strict=True))
        self.size = abs(self.center) + sum(float(to_numpy(term)) for term in terms)

    def __call__(self) -> float:
        y, _ = deepcopy(self.layer).forward(self.x, **self.options)
        return float(to_numpy(self._top(y)[0]))

    def gradients(self) -> tuple[list[dict[tuple[str, str], np.ndarray]], list[np.ndarray | None]]:
        """dphi/d(parameter) by path and name, from a pass with needs_dx and then one without; and dphi/dx."""
        start, dx = self._sums(None, needs_dx=True)
        total, _ = self._sums(start, needs_dx=False)
        passes = [start, {key: total[key] - start[key] for key in start}]
        return passes, [None if d is None else to_numpy(d) for d in several(dx)]

    def _sums(
        self, start: dict[tuple[str, str], np.ndarray] | None, needs_dx: bool
    ) -> tuple[dict[tuple[str, str], np.ndarray], Any]:
        layer = deepcopy(self.layer)
        for path, leaf in layer.leaves():
            for key, grad in leaf.grads.items():
                grad[...] = 0 if start is None else asarray(start[path, key], "float64")
        y, backward = layer.forward(self.x, needs_dx=needs_dx, **self.options)
        dx = backward(self._top(y)[1])
        return {(path, key): to_numpy(g) for path, leaf in layer.leaves() for key, g in leaf.grads.items()}, dx

    def _top(self, y: Any) -> tuple[Any, Any]:
        """phi and dphi/dy."""
        if self.loss is None:
            total = sum((g * output).sum() for g, output in zip(self.upstream, several(y), strict=True))
            return total, self.upstream if isinstance(y, tuple) else self.upstream[0]
        value, backward = self.loss.forward(y, *self.data)
        return value, backward()

    def derivative(self, array: Array, direction: np.ndarray, h: float) -> tuple[float, float]:
        """The difference quotient along a direction in one of the arrays, and a bound on its error."""
        start = to_numpy(array).copy()
        values = []
        for step in (-2, -1, 1, 2):
            array[...] = asarray(start + step * h * direction.reshape(start.shape), "float64")
            values.append(self())
        array[...] = asarray(start, "float64")
        far_left, left, right, far_right = values
        D, D2 = (right - left) / (2 * h), (far_right - far_left) / (4 * h)
        fourth = far_left - 4 * left + 6 * self.center - 4 * right + far_right
        return (4 * D - D2) / 3, max(abs(D - D2), abs(fourth) / h, EPSILON * self.size / h)


class _Comparison(NamedTuple):
    """The derivatives by backward and by differences, for every probe that some step resolves.

    Attributes:
        analytic: (passes, probes).
        numeric: (probes,).
        noise: the magnitude below which a difference cannot be distinguished from 0.
        fault: the reason why nothing can be compared, or "".
    """

    analytic: np.ndarray
    numeric: np.ndarray
    noise: float
    fault: str = ""

    def summary(self, wanted: int, unit: str, tolerance: float) -> tuple[str, float, float, float, str]:
        """The last fields of a row, from ``probes`` on."""
        count = len(self.numeric)
        probes = f"{count} of {wanted} {unit}" if count < wanted else f"{count} {unit}"
        if self.fault or not count:
            return probes, np.nan, np.nan, np.nan, self.fault or "unresolved"
        differences = np.abs(self.analytic - self.numeric)
        scale = float(max(np.abs(self.analytic).max(), np.abs(self.numeric).max()))
        worst = np.unravel_index(differences.argmax(), differences.shape)
        analytic, numeric = float(self.analytic[worst]), float(self.numeric[worst[1]])
        if scale <= self.noise:
            return probes, analytic, numeric, np.nan, "zero"
        error = float(differences[worst]) / scale
        verdict = "wrong" if error > tolerance else "unresolved" if 2 * count < wanted else "ok"
        return probes, analytic, numeric, error, verdict


def _compare(
    phi: _Function, array: Array, gradients: list[np.ndarray], probes: np.ndarray, wanted: int, tolerance: float
) -> _Comparison:
    """Compare backward's gradients for one array with differences along the rows of ``probes``."""
    noise = ROUNDING * phi.size / STEPS[0]
    if gradients[0].shape != array.shape:
        return _Comparison(np.empty(0), np.empty(0), noise, f"shape {gradients[0].shape}")
    if not all(np.isfinite(gradient).all() for gradient in gradients):
        return _Comparison(np.empty(0), np.empty(0), noise, "not finite")
    analytic = np.stack([gradient.ravel() for gradient in gradients]) @ probes.T
    largest = float(np.abs(analytic).max())
    kept, numeric = [], []
    for i, direction in enumerate(probes):
        for h in STEPS:
            value, bound = phi.derivative(array, direction, h)
            scale = max(largest, abs(value))
            if bound <= tolerance * scale or (h == STEPS[0] and max(scale, bound) <= noise):
                kept.append(i)
                numeric.append(value)
                break
        if len(kept) == wanted:
            break
    return _Comparison(analytic[:, kept], np.array(numeric), noise)


def in_float64(layer: Layer) -> Layer:
    """A deep copy with its floating-point arrays in float64."""
    memo: dict[int, Any] = {}
    for _, leaf in layer.leaves():
        for value in vars(leaf).values():
            if isinstance(value, Parameters):
                memo[id(value)] = type(value)({key: v.astype("float64") for key, v in value.items()})
            elif isinstance(value, xp.ndarray) and value.dtype.kind == "f":
                memo[id(value)] = value.astype("float64")
    return deepcopy(layer, memo)


def _data(what: str, data: Any, several: bool = False) -> Any:
    """A copy as a backend array, floating-point data as float64; with ``several``, a tuple of them."""
    if several:
        return tuple(_data(what, part) for part in data)
    kind = (data if hasattr(data, "dtype") else np.asarray(data)).dtype.kind
    array = asarray(data, "float64" if kind == "f" else None).copy()
    if array.size == 0:
        raise ValueError(f"gradcheck: {what} is empty, of shape {array.shape}")
    _check_finite(what, array)
    return array


def _check_finite(what: str, array: Array) -> None:
    if array.dtype.kind == "f" and not bool(to_numpy(xp.isfinite(array).all())):
        raise ValueError(f"gradcheck: {what} holds NaN or infinity")
