"""The softmax cross-entropy."""

from collections.abc import Callable

from ..border import flag
from ..select import Array, xp
from .kernels import launch, real, row_sums, strided


@real
def softmax_cross_entropy(
    logits: Array, labels: Array, complaint: str, ignore: int = -100, weights: Array | None = None
) -> tuple[Array, Callable[[], Array]]:
    """Every sample's loss, gradient and label check in one launch, and the mean in another.

    Each block of threads sums all weights by itself, since this only reads each label once.
    """
    if abs(ignore) >= 1 << 31:  # does not fit into a kernel's index
        return NotImplemented
    K = logits.shape[-1]
    z, t = logits.reshape(-1, K), xp.ascontiguousarray(labels.reshape(-1), dtype="int64")
    N = len(z)
    if weights is not None:
        weights = weights.reshape(weights.shape + (1,) * (labels.ndim - weights.ndim))
        weights = xp.ascontiguousarray(xp.broadcast_to(weights, labels.shape)).reshape(-1)
    losses, dz, mean = xp.empty(N, dtype=z.dtype), xp.empty((K, N), dtype=z.dtype), xp.empty((), dtype=z.dtype)
    launch("softmax_cross_entropy", N, z.dtype, *strided(z), t, weights, losses, dz, flag(complaint), N, K, ignore)
    row_sums(mean.reshape(1), losses[None], keep=0.0)
    return mean, lambda: dz.T.reshape(logits.shape)
