"""Softmax and cross-entropy in one."""

from typing import Any

from ...backend import Array, accelerated, check, xp
from ..settings import brief, real
from .base import Differentiated, Loss, reciprocal, spread, sum_of, weighted_sum


class SoftmaxCrossEntropy(Loss):
    """Softmax and cross-entropy in one, from logits and labels, as the mean over all labels::

        E       = 1/N sum_n ( log sum_k exp(z[n,k]) - z[n,t_n] )
        dE/dz   = (softmax(z) - onehot(t)) / N

    A label is an integer t_n, or a probability p[n,k] for each class, such as a one-hot row::

        E       = 1/N sum_n sum_k p[n,k] ( log sum_j exp(z[n,j]) - z[n,k] )
        dE/dz   = (softmax(z) sum_k p[n,k] - p) / N

    With weights, w[n] / sum_n w[n] replaces 1/N (:class:`Loss`). ``class_weight`` weights the samples of a class, as in
    Keras; with label smoothing, PyTorch's class weights apply to each class's share of every label instead.

    Args:
        label_smoothing: s, the share of each label that is spread over all classes: (1 - s) p[n,k] + s/K replaces
            p[n,k], which is the one-hot row of an integer label.
        ignore_index: an integer label that counts neither in E nor in N, nor in the accuracy, such as that of a padded
            step. If all labels are ignored, E and dE/dz are 0, as if all weights were 0 (:class:`Loss`).

    Shapes: logits z (N, K) and labels t (N,) in [0, K) or p (N, K). For sequences, z (N, T, K) and t (N, T) or
    p (N, T, K), and N T replaces N in E. Weights (N,) or (N, T).

    Raises:
        ValueError: the shapes do not match, a label is out of range (on a device, at the next synchronisation), or
            label_smoothing lies outside [0, 1].
        TypeError: the logits are not floating-point, the labels are neither integers nor floating-point, or
            probabilities or weights have another dtype than the logits.

    Source (label smoothing): Szegedy et al., "Rethinking the Inception architecture", 2016, section 7.

    >>> loss, z = SoftmaxCrossEntropy(), asarray([[0.0, 0.0], [9.0, 0.0]])
    >>> round(float(loss(z, asarray([1, -100]))), 4)  # the second label is not counted
    0.6931
    """

    _hint = " (labels are integers, or floating-point probabilities of the logits' shape, such as one-hot rows)"

    def __init__(self, label_smoothing: float = 0.0, ignore_index: int = -100) -> None:
        if not 0 <= real(label_smoothing) <= 1:
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
            w *= spread(weights, w.ndim)
        onehot = (targets[..., None] == xp.arange(outputs.shape[-1])).astype(outputs.dtype)
        return soft_cross_entropy(outputs, self._smoothed(onehot), w[..., None] * reciprocal(w.sum()))

    def correct(self, outputs: Array, targets: Array, weights: Array | None = None) -> Array:
        labels = targets.argmax(-1) if targets.dtype.kind == "f" else targets
        right = outputs.argmax(-1) == labels
        if targets.dtype.kind != "f" and 0 <= self.ignore_index < outputs.shape[-1]:  # else no output is that label
            right &= kept(targets, self.ignore_index)
        return sum_of(right, weights)

    def weight(self, targets: Array, weights: Array | None = None) -> Any:
        soft = targets.dtype.kind == "f"
        return super().weight(targets, weights) if soft else sum_of(kept(targets, self.ignore_index), weights)

    def _count(self, targets: Array) -> int:
        return targets.size // (targets.shape[-1] if targets.dtype.kind == "f" else 1)

    def _smoothed(self, p: Array) -> Array:
        s = self.label_smoothing
        return (1 - s) * p + s / p.shape[-1] if s else p

    def _soft(self, outputs: Array, targets: Array) -> bool:
        """Whether the labels are probabilities; raises if they are and do not fit."""
        soft = isinstance(targets, xp.ndarray) and targets.dtype.kind == "f"
        if soft:
            self._check(outputs, targets, "f", "probabilities")
        return soft

    def _complaint(self, outputs: Array, targets: Array) -> str:
        """The error message for labels out of range; raises if anything else is wrong."""
        self._check(outputs, targets, "iu", "integer labels", axes=slice(-1))
        classes = outputs.shape[-1]
        hint = " (for one output use BinaryCrossEntropy, or HalfSquaredError of floats)" if classes == 1 else ""
        return f"{self}: a label lies outside [0, {classes}), the range that {classes} logits allow{hint}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._arguments})"


@accelerated
def softmax_cross_entropy(
    logits: Array, labels: Array, complaint: str, ignore: int = -100, weights: Array | None = None
) -> Differentiated:
    """:class:`SoftmaxCrossEntropy`'s value and backward; ``complaint`` is the error message for labels out of range."""
    classes = logits.shape[-1]
    z = logits.reshape(-1, classes).T  # Dense's output has the samples last in memory
    w = counted(labels, classes, complaint, ignore)
    t = (labels * w).reshape(-1)  # 0 for an ignored label, which may not be a valid index
    w = (w.astype(z.dtype) * (1 if weights is None else spread(weights, w.ndim))).reshape(-1)
    z = z - z.max(0)  # the largest exponent is 0: no overflow
    e = xp.exp(z)
    total = e.sum(0)
    scale = reciprocal(w.sum())
    value = weighted_sum(xp.log(total) - z[t, xp.arange(len(t))], w) * scale

    def backward() -> Array:
        dz = e / total
        dz -= t == xp.arange(classes)[:, None]
        dz *= w * scale
        return dz.T.reshape(logits.shape)

    return value, backward


def kept(labels: Array, ignore: int) -> Array:
    """A mask of the labels that are not ignored."""
    return labels.astype("int64", copy=False) != ignore  # an unsigned dtype cannot hold -100


def counted(labels: Array, classes: int, complaint: str, ignore: int) -> Array:
    """A mask of the labels that are not ignored; ValueError(complaint) if one of them lies outside [0, classes)."""
    counts = kept(labels, ignore)
    check((~counts | ((labels >= 0) & (labels < classes))).all(), complaint)
    return counts


def soft_cross_entropy(logits: Array, p: Array, scale: Any) -> Differentiated:
    """:class:`SoftmaxCrossEntropy`'s value and backward for class probabilities p; ``scale`` is each label's factor."""
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
