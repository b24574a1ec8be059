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
        """Raise unless the targets have the outputs' shape along ``axes`` and a dtype of one of ``kinds``."""
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


class SoftmaxCrossEntropy(Loss):
    """Softmax and cross-entropy in one, from logits and integer labels, as the mean over all labels::

        E       = 1/N sum_n ( log sum_k exp(z[n,k]) - z[n,t_n] )
        dE/dz   = (softmax(z) - onehot(t)) / N

    Shapes: logits z (N, K) and labels t (N,) in [0, K); or (N, T, K) and (N, T) for sequences, with N T for N in E.

    Raises:
        ValueError: the shapes do not match, or a label is out of range (on a device, at the next synchronisation).
        TypeError: the logits are not floating-point, or the labels are not integers.

    >>> round(float(SoftmaxCrossEntropy()(asarray([[0.0, 0.0]]), asarray([1]))), 4)
    0.6931
    """

    def forward(self, outputs: Array, targets: Array) -> tuple[Array, Callable[[], Array]]:
        return softmax_cross_entropy(outputs, targets, self._complaint(outputs, targets))

    def _complaint(self, outputs: Array, targets: Array) -> str:
        """The error message for labels out of range; raises if anything else is wrong."""
        self._check(outputs, targets, "iu", "integer labels", axes=slice(-1))
        classes = outputs.shape[-1]
        hint = " (regression targets are floating-point, and their loss is HalfSquaredError)" if classes == 1 else ""
        return f"{self}: a label lies outside [0, {classes}), the range that {classes} logits allow{hint}"

    def accuracy(self, outputs: Array, targets: Array) -> Array:
        return (outputs.argmax(-1) == targets).mean()


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
        if targets.dtype != outputs.dtype:
            raise TypeError(
                f"{self}: expected targets of the outputs' dtype {outputs.dtype}, got {targets.dtype}: "
                "xpnn.asarray(y, dtype) converts"
            )
        difference = outputs - targets
        scale = 1 / len(outputs)
        value = (difference * difference).sum() * (0.5 * scale)

        def backward() -> Array:
            return difference * scale

        return value, backward
