"""Euclidean radial basis functions, the output layer of the published LeNet-5, and the loss for them."""

import numpy as np

from ..backend import Array, xp
from .base import Backward, Layer
from .losses import Differentiated, SoftmaxCrossEntropy, counted
from .parameters import Parameters
from .settings import real


class RBF(Layer):
    r"""The negative squared distance to each of K fixed vectors; the largest output belongs to the nearest vector.

    The paper's output y_k is the squared distance, a penalty. Here the output is z = -y, so that losses and ``argmax``
    can take it as logits.
    Forward and backward (delta = dE/dz)::

        z[k]     = -sum_f (x[f] - w[k,f])^2
        dE/dx    = -2 sum_k delta[k] (x - w[k])

    Args:
        centers: the vectors w. They are a buffer: saved, but not trained.
        dtype: of the centers and the input.

    Shapes: input (N, F), output (N, K); centers (K, F).

    Raises:
        ValueError: the centers are empty or not of shape (K, F).

    Source: LeCun et al., "Gradient-based learning applied to document recognition", 1998, II.B, eq. 7.

    >>> RBF(np.array([[1.0, 0.0], [0.0, 2.0]]))(asarray([[0.0, 0.0]]))
    array([[-1., -4.]], dtype=float32)
    """

    separable = True

    def __init__(self, centers: np.ndarray, *, dtype: str = "float32") -> None:
        super().__init__()
        centers = np.asarray(centers, dtype)
        if centers.ndim != 2 or centers.size == 0:
            raise ValueError(f"RBF: expected centers of shape (K, F), got {centers.shape}")
        self.buffers = Parameters({"centers": xp.array(centers)})

    @property
    def centers(self) -> Array:
        """The vectors w."""
        return self.buffers["centers"]

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        w = self.centers
        self._check(x, "N", w.shape[1], dtype=w.dtype)
        difference = x[:, None] - w  # |x|^2 - 2 x w + |w|^2 would cancel where x is near w

        def backward(dy: Array) -> Array | None:
            return -2 * (dy[:, :, None] * difference).sum(1) if needs_dx else None

        return -(difference * difference).sum(2), backward

    def _arguments(self) -> str:
        return f"<{self.centers.shape[0]} centers of {self.centers.shape[1]} features>"


class RBFLoss(SoftmaxCrossEntropy):
    r"""The paper's discriminative criterion: it lowers the right class's penalty and raises its competitors'::

        E       = 1/N sum_n ( y[n,t_n] + log(exp(-j) + sum_k exp(-y[n,k])) ),   y = -z the penalties
        dE/dz   = (p - onehot(t)) / N,   p[k] = exp(z[k]) / (exp(-j) + sum_i exp(z[i]))

    It is the softmax cross-entropy with one more class, the paper's "rubbish", whose penalty is always j. A class whose
    penalty is well above j is not pushed away further. As j goes to infinity, E becomes :class:`SoftmaxCrossEntropy`;
    if j is far below all penalties, E is the paper's eq. 8, the mean penalty of the right class, plus a constant.

    Args:
        j: the rubbish class's penalty, above 0. The paper gives no value. The codes of LeNet-5 of 1998 have a squared
            distance of 168; on the digits, after 20 epochs, j from 1 to 42 did better than SoftmaxCrossEntropy.

    Shapes: logits z (N, K), as :class:`RBF` gives them, and labels t (N,) in [0, K).

    Raises:
        ValueError, TypeError: as for :class:`SoftmaxCrossEntropy`; or j is not above 0.

    Source: LeCun et al., "Gradient-based learning applied to document recognition", 1998, II.C, eq. 9.

    >>> round(float(RBFLoss(j=1.0)(asarray([[0.0, -2.0]]), asarray([0]))), 3)
    0.408
    """

    def __init__(self, j: float = 20.0) -> None:
        if not 0 < real(j) < np.inf:
            raise ValueError(f"RBFLoss: expected a number above 0, got {j}")
        super().__init__()
        self.j = float(j)

    def forward(self, outputs: Array, targets: Array, weights: Array | None = None) -> Differentiated:
        if not self._soft(outputs, targets):  # the rubbish class is never a label
            counted(targets, outputs.shape[-1], self._complaint(outputs, targets), self.ignore_index)
        rubbish = xp.full((*outputs.shape[:-1], 1), -self.j, dtype=outputs.dtype)
        logits = xp.concatenate([outputs, rubbish], axis=-1)
        if targets.dtype.kind == "f":
            targets = xp.concatenate([targets, xp.zeros_like(rubbish)], axis=-1)
        value, backward = super().forward(logits, targets, weights)
        return value, lambda: backward()[..., :-1]

    def __repr__(self) -> str:
        return f"RBFLoss({self.j:g})"


def paley_codes(classes: int) -> np.ndarray:
    """A ±1 code of 84 elements for each class; any two codes differ in 42 elements.

    Row k is -1, then q(j - k) for j = 0..82, where q is 1 for 0 and the squares modulo 83, else -1. This is Paley's
    Hadamard matrix without its row of ones, so each code has as many ones as minus ones.
    """
    p = 83
    if not 1 <= classes <= p:
        raise ValueError(f"paley_codes: expected num_classes from 1 to {p}, got {classes}")
    squares = {k * k % p for k in range(p)}
    q = [1 if k in squares else -1 for k in range(p)]
    return np.array([[-1, *(q[(j - k) % p] for j in range(p))] for k in range(classes)])
