"""Losses: as layers, but with two inputs, and backward takes no argument."""

from collections.abc import Callable

from ..backend import Array, accelerated, check, xp


class Loss:
    """A function E(outputs, targets) with a gradient dE/d(outputs).

    >>> value, backward = HalfSquaredError().forward(asarray([[3.0]]), asarray([[1.0]]))
    >>> doutputs = backward()
    """

    _hint = ""  # appended to the error about the targets' shape

    def forward(self, outputs: Array, targets: Array) -> tuple[Array, Callable[[], Array]]:
        """The loss, a scalar of the backend (on a device a 0-d array), and the function that returns dE/d(outputs)."""
        raise NotImplementedError

    def __call__(self, outputs: Array, targets: Array) -> Array:
        """The loss alone."""
        return self.forward(outputs, targets)[0]

    def accuracy(self, outputs: Array, targets: Array) -> Array | None:
        """The fraction of correct outputs, a scalar of the backend; None if the loss is not for classification."""
        return None

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

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


class SoftmaxCrossEntropy(Loss):
    """Softmax and cross-entropy in one, from logits and labels, as the mean over all labels::

        E       = 1/N sum_n ( log sum_k exp(z[n,k]) - z[n,t_n] )
        dE/dz   = (softmax(z) - onehot(t)) / N

    A label is an integer t_n, or a probability p[n,k] for each class, of which a one-hot row is a special case::

        E       = 1/N sum_n sum_k p[n,k] ( log sum_j exp(z[n,j]) - z[n,k] )
        dE/dz   = (softmax(z) sum_k p[n,k] - p) / N

    Shapes: logits z (N, K) and labels t (N,) in [0, K) or p (N, K); or z (N, T, K) and t (N, T) or p (N, T, K) for
    sequences, with N T for N in E.

    Raises:
        ValueError: the shapes do not match, or a label is out of range (on a device, at the next synchronisation).
        TypeError: the logits are not floating-point, the labels are neither integers nor floating-point, or
            probabilities have another dtype than the logits.

    >>> round(float(SoftmaxCrossEntropy()(asarray([[0.0, 0.0]]), asarray([1]))), 4)
    0.6931
    """

    _hint = " (labels are integers, or floating-point probabilities of the logits' shape, such as one-hot rows)"

    def forward(self, outputs: Array, targets: Array) -> tuple[Array, Callable[[], Array]]:
        if self._soft(outputs, targets):
            return soft_cross_entropy(outputs, targets)
        return softmax_cross_entropy(outputs, targets, self._complaint(outputs, targets))

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

    def accuracy(self, outputs: Array, targets: Array) -> Array:
        labels = targets.argmax(-1) if targets.dtype.kind == "f" else targets
        return (outputs.argmax(-1) == labels).mean()


@accelerated
def softmax_cross_entropy(logits: Array, labels: Array, complaint: str) -> tuple[Array, Callable[[], Array]]:
    """:class:`SoftmaxCrossEntropy`'s value and backward; ``complaint`` is the error message for labels out of range."""
    classes = logits.shape[-1]
    check((labels.min() >= 0) & (labels.max() < classes), complaint)
    z = logits.reshape(-1, classes).T  # Dense leaves samples last in memory
    t = labels.reshape(-1)
    z = z - z.max(0)  # the largest exponent is 0: no overflow
    e = xp.exp(z)
    total = e.sum(0)
    scale = 1 / len(t)
    value = (xp.log(total) - z[t, xp.arange(len(t))]).sum() * scale

    def backward() -> Array:
        dz = e / total
        dz -= t == xp.arange(classes)[:, None]
        dz *= scale
        return dz.T.reshape(logits.shape)

    return value, backward


def soft_cross_entropy(logits: Array, p: Array) -> tuple[Array, Callable[[], Array]]:
    """:class:`SoftmaxCrossEntropy`'s value and backward for a probability of each class."""
    z = logits - logits.max(-1, keepdims=True)  # the largest exponent is 0: no overflow
    e = xp.exp(z)
    total = e.sum(-1, keepdims=True)
    scale = logits.shape[-1] / logits.size
    surprise = xp.where(p == 0, 0, xp.log(total) - z)  # 0 even where z is -infinity
    value = (p * surprise).sum() * scale

    def backward() -> Array:
        dz = e / total * p.sum(-1, keepdims=True)
        dz -= p
        dz *= scale
        return dz

    return value, backward


class HalfSquaredError(Loss):
    """Half the squared error, as the mean over the samples::

        E = 1/N sum_n 1/2 sum_k (y[n,k] - o[n,k])^2,    dE/do = (o - y) / N   (the document's delta without f')

    Shapes: outputs o and targets y both (N, ...).

    Raises:
        ValueError: the shapes differ (they are not broadcast).
        TypeError: outputs or targets are not floating-point, or their dtypes differ.

    Source: the source document, "误差反向传播".

    >>> float(HalfSquaredError()(asarray([[3.0]]), asarray([[1.0]])))
    2.0
    """

    _hint = " (targets[:, None] adds an axis; class labels are integers, and their loss is SoftmaxCrossEntropy)"

    def forward(self, outputs: Array, targets: Array) -> tuple[Array, Callable[[], Array]]:
        self._check(outputs, targets, "f", "floating-point targets")
        difference = outputs - targets
        scale = 1 / len(outputs)
        value = (difference * difference).sum() * (0.5 * scale)

        def backward() -> Array:
            return difference * scale

        return value, backward
