"""The base class of losses: the mean, its weights, and the checks of the input."""

from collections.abc import Callable
from typing import Any

from ...backend import Array, xp
from ..inference import output_of

Differentiated = tuple[Array, Callable[[], Array]]
"""E, a scalar of the backend (on a device a 0-d array), and ``backward() -> dE/d(outputs)``."""


class Loss:
    """A function E(outputs, targets) with a gradient dE/d(outputs), the mean of errors e[n].

    With weights w[n] it is the weighted mean, as PyTorch's class weights and scikit-learn's ``sample_weight`` give it::

        E = sum_n w[n] e[n] / sum_n w[n],    or 0 if the weights sum to 0

    A batch whose weights sum to 0 thus adds nothing to the value or the gradient; PyTorch's mean of it is NaN. If all
    weights of an epoch, or of the data given to :func:`evaluate`, sum to 0, the mean is NaN.

    The weights are an array of the backend in the outputs' dtype: one for each sample, (N,), or each label, (N, T).

    >>> loss, outputs, targets = HalfSquaredError(), asarray([[3.0], [0.0]]), asarray([[1.0], [0.0]])
    >>> value, backward = loss.forward(outputs, targets)
    >>> doutputs = backward()
    >>> float(value), float(loss(outputs, targets, asarray([3.0, 1.0])))
    (1.0, 1.5)
    """

    _hint = ""  # appended to the error about the targets' shape

    def forward(self, outputs: Array, targets: Array, weights: Array | None = None) -> Differentiated:
        """The loss, a scalar of the backend (on a device a 0-d array), and the function that returns dE/d(outputs)."""
        raise NotImplementedError(f"{type(self).__name__}: forward(outputs, targets) must return E and backward")

    def __call__(self, outputs: Array, targets: Array, weights: Array | None = None) -> Array:
        """The loss alone."""
        given = () if weights is None else (weights,)  # a user's loss may not accept weights
        value: Array = output_of(self, self.forward(outputs, targets, *given))
        if getattr(value, "ndim", 0):
            raise ValueError(f"{self}: expected forward to return the mean, a scalar, got an array {value.shape}")
        return value

    def correct(self, outputs: Array, targets: Array, weights: Array | None = None) -> Array | None:
        """The number of correct outputs or the sum of their weights, a scalar of the backend; None if the loss is not a
        classifier's, whose outputs are either correct or wrong."""
        return None

    def accuracy(self, outputs: Array, targets: Array, weights: Array | None = None) -> Array | None:
        """The (weighted) fraction of correct outputs, or None: a mean over the same labels as the loss."""
        correct, total = self.correct(outputs, targets, weights), self.weight(targets, weights)
        return None if correct is None else correct / (total + (total == 0))

    def weight(self, targets: Array, weights: Array | None = None) -> Any:
        """The divisor of the mean: the number of errors, or the sum of their weights.

        The mean over several batches is the mean of the batches' means, weighted by their divisors.
        """
        count = self._count(targets)
        return count if weights is None else weights.sum() * (count / weights.size)  # each weighs count / size errors

    def _count(self, targets: Array) -> int:
        """The number of errors that the loss averages."""
        return targets.size

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def _scale(self, outputs: Array, targets: Array, weights: Array | None) -> Any:
        """The factor of each error in the mean: 1/N, or w[n] / sum_n w[n] with the outputs' number of axes."""
        total = self.weight(targets, weights)
        return 1 / total if weights is None else spread(weights, outputs.ndim) * reciprocal(total)

    def _check(self, outputs: Array, targets: Array, kinds: str, what: str, axes: slice = slice(None)) -> None:
        """Raise unless the targets have the outputs' shape along ``axes`` and a dtype of one of ``kinds``.

        Floating-point targets have the outputs' dtype.
        """
        for array in (outputs, targets):
            if not isinstance(array, xp.ndarray):
                raise TypeError(
                    f"{self}: expected arrays of the {xp.__name__} backend, got {type(array).__name__}: "
                    "xpnn.asarray makes one"
                )
        if outputs.size == 0:
            raise ValueError(f"{self}: got an empty batch, outputs of shape {outputs.shape}")
        if outputs.dtype.kind != "f" or targets.dtype.kind not in kinds:
            raise TypeError(
                f"{self}: expected floating-point outputs and {what}, got {outputs.dtype} and {targets.dtype}"
            )
        if targets.shape != outputs.shape[axes]:
            raise ValueError(f"{self}: expected {what} of shape {outputs.shape[axes]}, got {targets.shape}{self._hint}")
        if targets.dtype.kind == "f" and targets.dtype != outputs.dtype:
            raise TypeError(
                f"{self}: expected targets of the outputs' dtype {outputs.dtype}, got {targets.dtype}: "
                "xpnn.asarray(y, dtype) converts"
            )

    def _check_weights(self, outputs: Array, weights: Array | None, labels: tuple[int, ...]) -> None:
        """Raise unless there is a weight for each sample, or for each entry of the labels' first axes."""
        if weights is None:
            return
        if not isinstance(weights, xp.ndarray) or weights.dtype != outputs.dtype:
            got = weights.dtype if isinstance(weights, xp.ndarray) else type(weights).__name__
            raise TypeError(
                f"{self}: expected weights of the {xp.__name__} backend in the outputs' dtype {outputs.dtype}, "
                f"got {got}: xpnn.asarray(weights, dtype) converts"
            )
        if weights.ndim == 0 or weights.shape != labels[: weights.ndim]:
            shapes = " or ".join(str(labels[:axes]) for axes in range(1, len(labels) + 1))
            raise ValueError(f"{self}: expected weights of shape {shapes}, got {weights.shape}")


def spread(weights: Array, axes: int) -> Array:
    """The weights with axes of length 1 appended, up to ``axes`` axes."""
    return weights.reshape(weights.shape + (1,) * (axes - weights.ndim))


def sum_of(kept: Array, weights: Array | None) -> Any:
    """The number of True elements in ``kept``, or the sum of their weights."""
    return xp.count_nonzero(kept) if weights is None else (kept * spread(weights, kept.ndim)).sum()


def reciprocal(total: Array) -> Array:
    """1 / total; 1 if it is 0, as where all weights are 0."""
    return 1 / (total + (total == 0))


def weighted_sum(errors: Array, weights: Any) -> Array:
    """sum_n w[n] e[n], for one weight or many; an error of weight 0 does not count even if it is infinite."""
    if isinstance(weights, float):
        return errors.sum() * weights
    return (xp.where(weights == 0, 0, errors) * weights).sum()
