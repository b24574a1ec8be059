"""The softmax cross-entropy."""

from collections.abc import Callable

from ..border import flag
from ..select import Array, xp
from .kernels import launch, real, row_sums, strided


@real
def softmax_cross_entropy(
    logits: Array, labels: Array, complaint: str, ignore: int = -100, weights: Array | None = None
) -> tuple[Array, Callable[[], Array]]:
    """Every sample's loss, gradient and label check in one launch; the mean is another."""
    if weights is not None:
        return NotImplemented
    K = logits.shape[-1]
    z, t = logits.reshape(-1, K), xp.ascontiguousarray(labels.reshape(-1), dtype="int64")
    N = len(z)
    losses, dz = xp.empty(N, dtype=z.dtype), xp.empty((K, N), dtype=z.dtype)
    launch("softmax_cross_entropy", N, z.dtype, *strided(z), t, losses, dz, flag(complaint), N, K, 1 / N)
    mean = xp.empty((), dtype=z.dtype)
    row_sums(mean.reshape(1), losses[None], keep=0.0, scale=1 / N)
    return mean, lambda: dz.T.reshape(logits.shape)
