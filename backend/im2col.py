"""im2col and its adjoint col2im, in batch-last memory order.

A column holds the pixels under the kernel at one output position; the order ``(C, k1, k2, H', W', N)`` puts the batch
last, so that every copy runs along contiguous memory and ``W @ columns`` needs no transposition. Work goes in blocks
of output rows: a block of columns that stays in the cache is read back far faster than it is from main memory, and the
workspace has a bound that does not grow with the image's height.
"""

from collections.abc import Iterator

from .select import Array, xp

WORKSPACE_BYTES = 1 << 19 if xp.__name__ == "numpy" else 1 << 28
"""Aim for one block's columns: half of a common CPU's L2 cache; on a device large, since each launch costs time."""


def output_size(size: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> int:
    """Positions of a window along one axis: floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def row_blocks(rows: int, bytes_per_row: int) -> Iterator[slice]:
    """Slices that cover ``range(rows)``, each of about WORKSPACE_BYTES and of one row at the least."""
    step = max(1, WORKSPACE_BYTES // max(1, bytes_per_row))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def im2col(
    x: Array,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    rows: slice,
    width: int,
    dilation: tuple[int, int] = (1, 1),
) -> Array:
    """Columns for the output rows ``rows``: (C, H, W, N), padded already, to (C*k1*k2, len(rows)*W'*N).

    ``columns[(c,m,n), (i,j,sample)] = x[c, i*s1 + m*d1, j*s2 + n*d2, sample]``

    Args:
        x: the padded input with the batch last.
        kernel: (k1, k2).
        stride: (s1, s2).
        rows: the output rows i wanted.
        width: W', the number of output positions in a row.
        dilation: (d1, d2), the distance between the pixels under neighbouring places of the kernel.
    """
    (C, _, _, N), (k1, k2), (s1, s2), (d1, d2) = x.shape, kernel, stride, dilation
    count = rows.stop - rows.start
    c, h, w, n = x.strides
    windows = xp.lib.stride_tricks.as_strided(
        x[:, rows.start * s1 :], (C, k1, k2, count, width, N), (c, h * d1, w * d2, h * s1, w * s2, n)
    )
    return xp.ascontiguousarray(windows).reshape(C * k1 * k2, count * width * N)


def col2im(
    columns: Array,
    out: Array,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    rows: slice,
    width: int,
    dilation: tuple[int, int] = (1, 1),
) -> None:
    """Add columns back to where im2col took them from: its adjoint, <im2col x, c> = <x, col2im c>.

    Args:
        columns: (C*k1*k2, len(rows)*W'*N).
        out: (C, H, W, N), padded; the block's sums are added to it.
        kernel, stride, rows, width, dilation: as for :func:`im2col`.
    """
    (C, _, _, N), (k1, k2), (s1, s2), (d1, d2) = out.shape, kernel, stride, dilation
    count = rows.stop - rows.start
    columns = columns.reshape(C, k1, k2, count, width, N)
    for m in range(k1):
        i = rows.start * s1 + m * d1
        for n in range(k2):
            j = n * d2
            out[:, i : i + count * s1 : s1, j : j + width * s2 : s2] += columns[:, m, n]
