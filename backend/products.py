"""Products in a loop and sums of products, in the sizes that suit BLAS; and those with a matrix of ones and zeros."""

import contextlib
from collections.abc import Callable, Iterator

import numpy as np

from .blas import add_product
from .gemm import matmul
from .numpy_blas import aligned_empty, better_in_halves, single_threaded_blas, sum_pieces, too_small_to_divide
from .select import Array, on_device, xp

_ONE_HOT = 1 << 24  # numbers of a one-hot matrix at a time


@contextlib.contextmanager
def small_products(rows: int, W: Array) -> Iterator[Callable[[Array, Array, Array], Array]]:
    """For a loop over products ``x @ W`` with x of so many rows or fewer: what does them, as ``matmul(x, W, out)``.

    BLAS uses one thread meanwhile where they are too small to be divided.
    """
    size = rows * W.size
    with single_threaded_blas() if too_small_to_divide(size) else contextlib.nullcontext():
        yield _by_halves if better_in_halves(size) else matmul


def _by_halves(a: Array, b: Array, out: Array) -> Array:
    if len(a) % 2:
        half = len(a) // 2
        matmul(a[:half], b, out[:half])
        matmul(a[half:], b, out[half:])
        return out
    np.matmul(a.reshape(2, -1, a.shape[1]), b, out=out.reshape(2, -1, out.shape[1]))
    return out


def sum_of_products(a: Array, b: Array) -> Array:
    """sum_{p,i} a_pi b_pi^T, (G, K, D), from a (G, P, n, K, L) and b (G, P, n, D, L)."""
    (G, P, n, K, L), D = a.shape, b.shape[3]
    pieces = sum_pieces(K, L, D)
    if pieces is None:
        return matmul(a, b.swapaxes(3, 4)).reshape(G, P * n, K, D).sum(1)
    height, length = pieces
    rows = a.reshape(G, P, n, -1, height, L // length, length).transpose(0, 1, 2, 5, 3, 4, 6)  # a view
    turned = aligned_empty((G, P, n, L // length, 1, length, D), a.dtype)
    turned[..., 0, :, :] = b.reshape(G, P, n, D, -1, length).transpose(0, 1, 2, 4, 5, 3)
    return xp.matmul(rows, turned).reshape(G, -1, K, D).sum(1)


def add_rows_at(out: Array, indices: Array, rows: Array) -> None:
    """out += onehot^T rows, so out[i] += rows[n] for every n with indices[n] = i; each sum has one order.

    Args:
        out: (V, D), C-contiguous.
        indices: (n,) whole numbers in [0, V).
        rows: (n, D).
    """
    if on_device:  # sums scattered there have no order, and how many indices differ is not known without waiting
        step = max(1, _ONE_HOT // len(indices))
        for start in range(0, len(out), step):
            part = out[start : start + step]
            onehot = indices[:, None] == xp.arange(start, start + len(part))
            add_product(part, onehot.astype(rows.dtype).T, rows)
        return
    order = np.argsort(indices, kind="stable")
    ordered = indices[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    out[ordered[starts]] += np.add.reduceat(rows[order], starts)
