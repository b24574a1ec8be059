"""Losses: as layers, but with two inputs, and backward takes no argument."""

from collections.abc import Callable
from typing import Any

from ..backend import Array, accelerated, check, xp
from .settings import brief

Differentiated = tuple[Array, Callable[[], Array]]
"""E, a scalar of the backend (on a device a 0-d array), and ``backward() -> dE/d(outputs)``."""


class Loss:
    """A function E(outputs, targets) with a gradient dE/d(outputs), the mean of errors e[n].

    With weights w[n] it is the weighted mean, as PyTorch's class weights and scikit-learn's ``sample_weight`` give it::

        E = sum_n w[n] e[n] / sum_n w[n],    or 0 if the weights sum to 0

    They are an array of the backend in the outputs' dtype: one for each sample, (N,), or for each label, (N, T).

    >>> loss, outputs, targets = HalfSquaredError(), asarray([[3.0], [0.0]]), asarray([[1.0], [0.0]])
    >>> value, backward = loss.forward(outputs, targets)
    >>> doutputs = backward()
    >>> float(value), float(loss(outputs, targets, asarray([3.0, 1.0])))
    (1.0, 1.5)
    """

    _hint = ""  # appended to the error about the targets' shape

    def forward(self, outputs: Array, targets: Array, weights: Array | None = None) -> Differentiated:
        """The loss, a scalar of the backend (on a device a 0-d array), and the function that returns dE/d(outputs)."""
        raise NotImplementedError

    def __call__(self, outputs: Array, targets: Array, weights: Array | None = None) -> Array:
        """The loss alone."""
        return self.forward(outputs, targets, weights)[0]

    def accuracy(self, outputs: Array, targets: Array, weights: Array | None = None) -> Array | None:
        """The (weighted) fraction of correct outputs, a scalar of the backend; None if this is not a classifier's loss.

        It is a mean over the same labels as the loss.
        """
        return None

    def weight(self, targets: Array, weights: Array | None = None) -> Any:
        """The divisor of the mean: the number of errors that it is of, or the sum of their weights.

        The mean over several batches is that of the batches' means with these weights.
        """
        count = self._count(targets)
        return count if weights is None else weights.sum() * (count / weights.size)  # each stands for as many errors

    def _count(self, targets: Array) -> int:
        """The number of errors of which the loss is the mean."""
        return targets.size

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def _scale(self, outputs: Array, targets: Array, weights: Array | None) -> Any:
        """The factor of each error in the mean: 1/N, or w[n] / sum_n w[n] with the outputs' number of axes."""
        total = self.weight(targets, weights)
        return 1 / total if weights is None else _spread(weights, outputs.ndim) * _reciprocal(total)

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


def _spread(weights: Array, axes: int) -> Array:
    """The weights with axes of length 1 behind their own."""
    return weights.reshape(weights.shape + (1,) * (axes - weights.ndim))


def _sum(kept: Array, weights: Array | None) -> Any:
    """The number of those kept, or the sum of their weights."""
    return xp.count_nonzero(kept) if weights is None else (kept * _spread(weights, kept.ndim)).sum()


def _reciprocal(total: Array) -> Array:
    """1 / total; 1 if it is 0, as where all weights are 0."""
    return 1 / (total + (total == 0))


def weighted_sum(errors: Array, weights: Any) -> Array:
    """sum_n w[n] e[n], for one weight or many; an error of weight 0 does not count even if it is infinite."""
    if isinstance(weights, float):
        return errors.sum() * weights
    return (xp.where(weights == 0, 0, errors) * weights).sum()


class SoftmaxCrossEntropy(Loss):
    """Softmax and cross-entropy in one, from logits and labels, as the mean over all labels::

        E       = 1/N sum_n ( log sum_k exp(z[n,k]) - z[n,t_n] )
        dE/dz   = (softmax(z) - onehot(t)) / N

    A label is an integer t_n, or a probability p[n,k] for each class, of which a one-hot row is a special case::

        E       = 1/N sum_n sum_k p[n,k] ( log sum_j exp(z[n,j]) - z[n,k] )
        dE/dz   = (softmax(z) sum_k p[n,k] - p) / N

    With weights, w[n] / sum_n w[n] stands for 1/N (:class:`Loss`).

    Args:
        label_smoothing: s, the share of each label that is spread over all classes: (1 - s) p[n,k] + s/K stands for
            p[n,k], and of a label that is an integer, p[n,k] is its one-hot row.
        ignore_index: an integer label that counts neither in E nor in N, nor in the accuracy: a padded place of a
            sequence, say.

    Shapes: logits z (N, K) and labels t (N,) in [0, K) or p (N, K); or z (N, T, K) and t (N, T) or p (N, T, K) for
    sequences, with N T for N in E. Weights (N,), or (N, T).

    Raises:
        ValueError: the shapes do not match, a label is out of range (on a device, at the next synchronisation), or
            label_smoothing lies outside [0, 1].
        TypeError: the logits are not floating-point, the labels are neither integers nor floating-point, or
            probabilities or weights have another dtype than the logits.

    Source: the smoothing is that of Szegedy et al., "Rethinking the Inception architecture", 2016, section 7.

    >>> loss, z = SoftmaxCrossEntropy(), asarray([[0.0, 0.0], [9.0, 0.0]])
    >>> round(float(loss(z, asarray([1, -100]))), 4)  # the second label is not counted
    0.6931
    """

    _hint = " (labels are integers, or floating-point probabilities of the logits' shape, such as one-hot rows)"

    def __init__(self, label_smoothing: float = 0.0, ignore_index: int = -100) -> None:
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"{type(self).__name__}: expected label_smoothing in [0, 1], got {label_smoothing!r}")
        self.label_smoothing = float(label_smoothing)
        self.ignore_index = int(ignore_index)
        usual: dict[str, object] = {"label_smoothing": 0.0, "ignore_index": -100}
        self._arguments = brief(usual, label_smoothing=self.label_smoothing, ignore_index=self.ignore_index)

    def forward(self, outputs: Array, targets: Array, weights: Array | None = None) -> Differentiated:
        if self._soft(outputs, targets):
            self._check_weights(outputs, weights, outputs.shape[:-1])
            return soft_cross_entropy(outputs, self._smoothed(targets), self._scale(outputs, targets, weights))
        complaint = self._complaint(outputs, targets)
        self._check_weights(outputs, weights, targets.shape)
        if not self.label_smoothing:
            return softmax_cross_entropy(outputs, targets, complaint, self.ignore_index, weights)
        w = counted(targets, outputs.shape[-1], complaint, self.ignore_index).astype(outputs.dtype)
        if weights is not None:
            w *= _spread(weights, w.ndim)
        onehot = (targets[..., None] == xp.arange(outputs.shape[-1])).astype(outputs.dtype)
        return soft_cross_entropy(outputs, self._smoothed(onehot), w[..., None] * _reciprocal(w.sum()))

    def accuracy(self, outputs: Array, targets: Array, weights: Array | None = None) -> Array:
        soft = targets.dtype.kind == "f"
        right = outputs.argmax(-1) == (targets.argmax(-1) if soft else targets)
        total = self.weight(targets, weights)
        if not soft:
            right &= self._kept(targets)
        return _sum(right, weights) / (total + (total == 0))

    def weight(self, targets: Array, weights: Array | None = None) -> Any:
        soft = targets.dtype.kind == "f"
        return super().weight(targets, weights) if soft else _sum(self._kept(targets), weights)

    def _count(self, targets: Array) -> int:
        return targets.size // (targets.shape[-1] if targets.dtype.kind == "f" else 1)

    def _kept(self, labels: Array) -> Array:
        """Which labels are not to be ignored."""
        return labels.astype("int64", copy=False) != self.ignore_index  # an unsigned dtype does not hold -100

    def _smoothed(self, p: Array) -> Array:
        s = self.label_smoothing
        return (1 - s) * p + s / p.shape[-1] if s else p

    def _soft(self, outputs: Array, targets: Array) -> bool:
        """Whether the labels are probabilities; raises if they do not fit."""
        soft = isinstance(targets, xp.ndarray) and targets.dtype.kind == "f"
        if soft:
            self._check(outputs, targets, "f", "probabilities")
        return soft

    def _complaint(self, outputs: Array, targets: Array) -> str:
        """The error message for labels out of range; raises if anything else is wrong."""
        self._check(outputs, targets, "iu", "integer labels", axes=slice(-1))
        classes = outputs.shape[-1]
        hint = " (regression targets are floating-point, and their loss is HalfSquaredError)" if classes == 1 else ""
        return f"{self}: a label lies outside [0, {classes}), the range that {classes} logits allow{hint}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._arguments})"


@accelerated
def softmax_cross_entropy(
    logits: Array, labels: Array, complaint: str, ignore: int = -100, weights: Array | None = None
) -> Differentiated:
    """:class:`SoftmaxCrossEntropy`'s value and backward; ``complaint`` is the error message for labels out of range."""
    classes = logits.shape[-1]
    z = logits.reshape(-1, classes).T  # Dense leaves samples last in memory
    t = labels.reshape(-1)
    w = counted(t, classes, complaint, ignore)
    t = t * w  # 0 for a label that is ignored, which may be no index
    w = w.astype(z.dtype)
    if weights is not None:
        w *= xp.broadcast_to(_spread(weights, labels.ndim), labels.shape).reshape(-1)
    z = z - z.max(0)  # the largest exponent is 0: no overflow
    e = xp.exp(z)
    total = e.sum(0)
    scale = _reciprocal(w.sum())
    value = weighted_sum(xp.log(total) - z[t, xp.arange(len(t))], w) * scale

    def backward() -> Array:
        dz = e / total
        dz -= t == xp.arange(classes)[:, None]
        dz *= w * scale
        return dz.T.reshape(logits.shape)

    return value, backward


def counted(labels: Array, classes: int, complaint: str, ignore: int) -> Array:
    """Which labels are not to be ignored; ValueError(complaint) if one of these lies outside [0, classes)."""
    labels = labels.astype("int64", copy=False)  # an unsigned dtype does not hold -100
    ignored = labels == ignore
    check((ignored | ((labels >= 0) & (labels < classes))).all(), complaint)
    return ~ignored


def soft_cross_entropy(logits: Array, p: Array, scale: Any) -> Differentiated:
    """:class:`SoftmaxCrossEntropy`'s value and backward for a probability of each class; ``scale`` is of each label."""
    z = logits - logits.max(-1, keepdims=True)  # the largest exponent is 0: no overflow
    e = xp.exp(z)
    total = e.sum(-1, keepdims=True)
    surprise = xp.where(p == 0, 0, xp.log(total) - z)  # 0 even where z is -infinity
    value = weighted_sum(p * surprise, scale)

    def backward() -> Array:
        dz = e / total * p.sum(-1, keepdims=True)
        dz -= p
        dz *= scale
        return dz

    return value, backward


class HalfSquaredError(Loss):
    """Half the squared error, as the mean over the samples::

        E = 1/N sum_n 1/2 sum_k (y[n,k] - o[n,k])^2,    dE/do = (o - y) / N   (the document's delta without f')

    With weights, w[n] / sum_n w[n] stands for 1/N (:class:`Loss`).

    Shapes: outputs o and targets y both (N, ...). Weights (N,).

    Raises:
        ValueError: the shapes differ (they are not broadcast).
        TypeError: outputs or targets are not floating-point, or their dtypes, or that of the weights, differ.

    Source: the source document, "误差反向传播".

    >>> float(HalfSquaredError()(asarray([[3.0]]), asarray([[1.0]])))
    2.0
    """

    _hint = " (targets[:, None] adds an axis; class labels are integers, and their loss is SoftmaxCrossEntropy)"

    def forward(self, outputs: Array, targets: Array, weights: Array | None = None) -> Differentiated:
        self._check(outputs, targets, "f", "floating-point targets")
        self._check_weights(outputs, weights, targets.shape)
        scale = self._scale(outputs, targets, weights)
        difference = outputs - targets
        value = 0.5 * weighted_sum(difference * difference, scale)

        def backward() -> Array:
            return difference * scale

        return value, backward

    def _count(self, targets: Array) -> int:
        return len(targets)
