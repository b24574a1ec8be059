"""Losses that compare each output with its own target, as the mean over all outputs."""

from collections.abc import Sequence

import numpy as np

from ...backend import Array, check, xp
from ..settings import brief, real
from .base import Differentiated, Loss, sum_of, weighted_sum


class ElementwiseLoss(Loss):
    """The mean of an error e(o, y) over all outputs o; a subclass defines e and e' = de/do::

        E = 1/M sum_m e(o[m], y[m]),    dE/do = e'(o, y) / M        over all M outputs

    Targets have the outputs' shape; integers and booleans are converted to the outputs' dtype.
    """

    _hint = " (targets[:, None] adds an axis; for class labels use SoftmaxCrossEntropy)"

    def forward(self, outputs: Array, targets: Array, weights: Array | None = None) -> Differentiated:
        self._check(outputs, targets, "biuf", "targets")
        self._check_weights(outputs, weights, targets.shape)
        scale = self._scale(outputs, targets, weights)
        e, slope = self._errors(outputs, targets.astype(outputs.dtype, copy=False))
        return weighted_sum(e, scale), lambda: slope() * scale

    def _errors(self, o: Array, y: Array) -> Differentiated:
        """e, and the function that returns e'."""
        raise NotImplementedError


class MeanSquaredError(ElementwiseLoss):
    """The squared error, as the mean over all outputs::

        e = (o - y)^2,    e' = 2 (o - y)

    For samples of K outputs it is 2/K times :class:`HalfSquaredError`. With weights, E = sum w e / sum w
    (:class:`Loss`).

    Shapes: outputs o and targets y both (N, ...). Weights (N,), or with further axes up to the outputs' shape.

    Raises:
        ValueError: the shapes differ (they are not broadcast).
        TypeError: the outputs are not floating-point, or floating-point targets or weights have another dtype.

    Source: ``torch.nn.MSELoss``.

    >>> float(MeanSquaredError()(asarray([[3.0, 1.0]]), asarray([[1.0, 1.0]])))
    2.0
    """

    def _errors(self, o: Array, y: Array) -> Differentiated:
        difference = o - y
        return difference * difference, lambda: 2 * difference


class MeanAbsoluteError(ElementwiseLoss):
    """The absolute error, as the mean over all outputs; the best constant output is the median, not the mean::

        e = |o - y|,    e' = sign(o - y), 0 where o = y

    Shapes, weights, errors: as for :class:`MeanSquaredError`.

    Source: ``torch.nn.L1Loss``.

    >>> float(MeanAbsoluteError()(asarray([[3.0, 1.0]]), asarray([[1.0, 1.0]])))
    1.0
    """

    def _errors(self, o: Array, y: Array) -> Differentiated:
        difference = o - y
        return abs(difference), lambda: xp.sign(difference)


class Huber(ElementwiseLoss):
    r"""Half the squared error near the target and the absolute error far from it, so that outliers weigh less::

        e = (o - y)^2 / 2              where |o - y| <= d,    else   d (|o - y| - d/2)
        e' = clip(o - y, -d, d)

    Args:
        delta: d, above 0.

    Shapes, weights, errors: as for :class:`MeanSquaredError`; ValueError, too, if delta is not above 0.

    Source: Huber, "Robust estimation of a location parameter", 1964; ``torch.nn.HuberLoss``.

    >>> float(Huber(delta=1.0)(asarray([[3.0], [0.5]]), asarray([[1.0], [0.0]])))  # (1.5 + 0.125) / 2
    0.8125
    """

    def __init__(self, delta: float = 1.0) -> None:
        if not 0 < real(delta) < np.inf:
            raise ValueError(f"Huber: expected delta above 0, got {delta!r}")
        self.delta = float(delta)

    def _errors(self, o: Array, y: Array) -> Differentiated:
        difference = o - y
        slope = difference.clip(-self.delta, self.delta)
        return slope * (difference - 0.5 * slope), lambda: slope

    def __repr__(self) -> str:
        return f"Huber({brief({'delta': 1.0}, delta=self.delta)})"


class PoissonNLL(ElementwiseLoss):
    """The negative log-likelihood of counts y under the Poisson distribution, without the constant term log y!::

        e = exp(o) - y o,                  e' = exp(o) - y              where o is the logarithm of the rate
        e = o - y log(o + 1e-8),           e' = 1 - y / (o + 1e-8)      where o is the rate itself

    Args:
        log_input: whether the outputs are logarithms of the rate. If not, they must be positive.

    Shapes, weights, errors: as for :class:`MeanSquaredError`; ValueError, too, if a target is negative (on a device, at
    the next synchronisation).

    Source: ``torch.nn.PoissonNLLLoss``.

    >>> float(PoissonNLL()(asarray([[0.0]]), asarray([[3]])))  # a rate of 1: exp(0) - 3 * 0
    1.0
    """

    def __init__(self, log_input: bool = True) -> None:
        self.log_input = bool(log_input)

    def _errors(self, o: Array, y: Array) -> Differentiated:
        check(y.min() >= 0, f"{self}: a target is negative, which no count is")
        if self.log_input:
            rate = xp.exp(o)
            return rate - y * o, lambda: rate - y
        rate = o + 1e-8
        return o - y * xp.log(rate), lambda: 1 - y / rate

    def __repr__(self) -> str:
        return f"PoissonNLL({brief({'log_input': True}, log_input=self.log_input)})"


class BinaryCrossEntropy(ElementwiseLoss):
    r"""Sigmoid and cross-entropy in one, from logits; each output is a separate yes-or-no question::

        e = -c y log s(o) - (1 - y) log s(-o),    s(o) = 1 / (1 + exp(-o)),  -log s(o) = max(-o, 0) + log(1 + exp(-|o|))
        e' = (1 - y) s(o) - c y s(-o),            which is s(o) - y where c = 1

    Two classes need one output. K outputs are K labels, of which any number may apply.

    Args:
        pos_weight: c, the weight of positive targets: one for all outputs, or one for each element of the last axis.

    Shapes: logits o and targets y both (N, ...), targets 0 and 1 (integers, booleans too) or probabilities. Weights
    (N,), or with further axes up to the outputs' shape: (N, K) weights each label of each sample, and 0 leaves it out.

    Raises:
        ValueError: the shapes differ, a target lies outside [0, 1] (on a device, at the next synchronisation), or
            pos_weight is negative or has more than one axis.
        TypeError: as for :class:`MeanSquaredError`.

    Source: ``torch.nn.BCEWithLogitsLoss``.

    >>> loss, z, y = BinaryCrossEntropy(), asarray([[0.0, 2.0]]), asarray([[0, 1]])
    >>> round(float(loss(z, y)), 4), float(loss.accuracy(z, y))
    (0.41, 1.0)
    """

    def __init__(self, pos_weight: float | Sequence[float] | np.ndarray = 1.0) -> None:
        values = np.asarray(pos_weight, "float64")
        if values.ndim > 1 or not (np.isfinite(values) & (values >= 0)).all():
            raise ValueError(
                f"BinaryCrossEntropy: expected a pos_weight of at least 0, or a list of them, got {pos_weight!r}"
            )
        self.pos_weight = values.tolist()
        self._c = xp.asarray(values) if values.ndim else float(values)

    def _errors(self, o: Array, y: Array) -> Differentiated:
        check((y.min() >= 0) & (y.max() <= 1), f"{self}: a target lies outside [0, 1]")
        c = self._c if isinstance(self._c, float) else self._c.astype(o.dtype)
        if isinstance(self.pos_weight, list) and o.shape[-1] != len(self.pos_weight):
            raise ValueError(
                f"{self}: expected outputs whose last axis has the length of pos_weight, {len(self.pos_weight)}, "
                f"got shape {o.shape}"
            )
        q = xp.exp(-abs(o))  # at most 1: no overflow
        rest = xp.log1p(q)
        positive, negative = c * y, 1 - y
        e = positive * (xp.maximum(-o, 0) + rest) + negative * (xp.maximum(o, 0) + rest)

        def slope() -> Array:
            larger, smaller = 1 / (1 + q), q / (1 + q)  # s(|o|) and s(-|o|)
            yes = o > 0
            return negative * xp.where(yes, larger, smaller) - positive * xp.where(yes, smaller, larger)

        return e, slope

    def correct(self, outputs: Array, targets: Array, weights: Array | None = None) -> Array:
        return sum_of((outputs > 0) == (targets > 0.5), weights)

    def __repr__(self) -> str:
        return f"BinaryCrossEntropy({brief({'pos_weight': 1.0}, pos_weight=self.pos_weight)})"
