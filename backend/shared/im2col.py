"""im2col and its adjoint col2im, in batch-last memory order, without most of the copies.

A column holds the pixels under the kernel at one output position, so plain im2col copies each pixel k1*k2 times. Here
each image row is copied only for the k2 positions along the width. The rows under the kernel are then adjacent in
memory, so the columns of an output row are a view, which overlaps that of the next row (Cho, Brand, "MEC:
memory-efficient convolution for deep neural network", 2017).

Images are (H, C, W, N). The batch is the last axis, so that every copy runs along contiguous memory. The rows are the
first axis, so that the columns of several output rows are also a view, those of a taller kernel. The work is done in
tiles, which fit the cache and bound the workspace.
"""

from functools import lru_cache
from itertools import product
from typing import NamedTuple

from ..select import Array, on_device, xp
from .machine import products

WORKSPACE_BYTES = 1 << 28 if on_device else 1 << 22
"""Upper bound of one array of a tile, unless a single column needs more."""

_STRETCH = (1 << 12, 1 << 40) if on_device else (256, 2048)
"""Positions along width and batch: with fewer a product is inefficient, with more it exceeds a CPU's cache. A device
needs few launches."""


def batch_first(x: Array) -> Array:
    """The view (N, C, H, W) of x (H, C, W, N)."""
    return x.transpose(3, 1, 0, 2)


def rows_first(x: Array, p1: int = 0, p2: int = 0, value: float = 0.0) -> Array:
    """x (N, C, H, W) as (H + 2 p1, C, W + 2 p2, N), contiguous, with a border of ``value``; a view if possible."""
    x = x.transpose(2, 1, 3, 0)
    if p1 == p2 == 0:
        return xp.ascontiguousarray(x)
    H, C, W, N = x.shape
    out = xp.empty((H + 2 * p1, C, W + 2 * p2, N), dtype=x.dtype)
    inside = out[p1 : p1 + H]
    for border in (out[:p1], out[p1 + H :], inside[:, :, :p2], inside[:, :, p2 + W :]):
        border[...] = value
    inside[:, :, p2 : p2 + W] = x
    return out


class Tile(NamedTuple):
    """A tile of the output: output rows, output columns, samples."""

    rows: slice
    cols: slice
    samples: slice

    @property
    def shape(self) -> tuple[int, int, int]:
        """(rows, columns, samples) as lengths."""
        rows, cols, samples = self
        return rows.stop - rows.start, cols.stop - cols.start, samples.stop - samples.start


def tiles(
    shape: tuple[int, int, int], line_bytes: int, kernel: int, stride: int = 1, dilation: int = 1
) -> tuple[Tile, ...]:
    """Disjoint tiles that cover an output (H', W', N); no array of a tile takes more than WORKSPACE_BYTES.

    Tiles are tall rather than wide, since output rows share rows of the input, and output columns share nothing.

    Args:
        shape: (H', W', N).
        line_bytes: bytes of the widest array for one row at one position of one sample.
        kernel, stride, dilation: along the height: k1, s1, d1.
    """
    copies = kernel if on_device or dilation > 1 else 1  # of each row under the kernel: CuPy's matmul copies views
    return _tiles(shape, WORKSPACE_BYTES // (line_bytes * copies), 2 * (kernel - 1) * dilation, stride, _STRETCH)


@lru_cache(1024)
def _tiles(
    shape: tuple[int, int, int], positions: int, reach: int, stride: int, stretches: tuple[int, int]
) -> tuple[Tile, ...]:
    H, W, N = shape
    full = positions // ((H - 1) * stride + 1 + reach)  # positions in width and batch if the tile has all rows
    stretch = min(positions // (reach + 1), max(stretches[0], min(full, stretches[1])))
    samples = max(1, min(N, stretch))
    cols = max(1, min(W, stretch // samples))
    cols = -(-W // -(-W // cols))  # tiles of about equal width
    rows = max(1, min(H, (positions // (cols * samples) - reach - 1) // stride + 1))
    return tuple(Tile(*tile) for tile in product(_slices(H, rows), _slices(W, cols), _slices(N, samples)))


def _slices(size: int, step: int) -> list[slice]:
    """Slices of ``step`` that cover ``range(size)``; the last may be shorter."""
    return [slice(start, min(start + step, size)) for start in range(0, size, step)]


def im2col(
    x: Array,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    tile: Tile,
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
    parts: int = 1,
) -> Array:
    """Columns for a tile of the output: (H, C, W, N), already padded, to (G, parts, rows, k1*(C/G*k2 + 1), L).

    ``columns[g, p, i, (m,c,n), (j,sample)] = x[i*s1 + m*d1, g*C/G + c, (p*cols/parts + j)*s2 + n*d2, sample]``, with a
    1 after the pixels of each m, so that the bias is one more weight. L is cols/parts*samples.

    The result is read-only in effect: without dilation its rows overlap in memory.

    Args:
        x: the padded input, rows first and the batch last, contiguous.
        kernel: (k1, k2).
        stride: (s1, s2).
        tile: the tile of the output.
        dilation: (d1, d2), the distance between the pixels under neighbouring kernel elements.
        groups: G.
        parts: the number of chunks of the tile's columns, each contiguous in memory.
    """
    (k1, k2), (s1, s2), (d1, d2), G, C = kernel, stride, dilation, groups, x.shape[1] // groups
    rows, cols, samples = tile.shape
    cols //= parts
    height = (rows - 1) * s1 + (k1 - 1) * d1 + 1
    h, c, w, n = x.strides
    start = tile.rows.start * s1 * h + tile.cols.start * s2 * w + tile.samples.start * n
    strides = (C * c, cols * s2 * w, h, c, w * d2, w * s2, n)
    places = products.view(x, start, (G, parts, height, C, k2, cols, samples), strides)
    lines = products.aligned_empty((G * parts, height, C * k2 + 1, cols * samples), x.dtype)
    lines[:, :, :-1].reshape(places.shape)[...] = places
    lines[:, :, -1] = 1
    columns = windows(lines, k1, rows, s1, d1)
    return columns.reshape(G, parts, *columns.shape[1:])


def windows(lines: Array, kernel: int, count: int, stride: int = 1, dilation: int = 1) -> Array:
    """The rows under a window that moves along axis 1: (G, height, K, L) to (G, count, kernel*K, L).

    ``windows[g, i, (m,k), l] = lines[g, i*stride + m*dilation, k, l]``, a view unless dilated; lines are contiguous.
    """
    (G, _, K, L), (g, h, k, l) = lines.shape, lines.strides
    if dilation == 1:
        return products.view(lines, 0, (G, count, kernel * K, L), (g, h * stride, k, l))
    spaced = products.view(lines, 0, (G, count, kernel, K, L), (g, h * stride, h * dilation, k, l))
    return spaced.reshape(G, count, kernel * K, L)


def turned_windows(delta: Array, kernel: int, stride: int, tile: Tile, dilation: int = 1, groups: int = 1) -> Array:
    """The rows of delta that reach a tile of the input by a rotated kernel: (G, rows, kernel*D/G, cols*samples).

    ``turned_windows[g, r, (m,d), (j,sample)] = delta[i, g*D/G + d, j, sample]`` for the i with
    i*stride + (kernel-1-m)*dilation = r, and 0 if there is none: the output rows to which :func:`windows` takes row r,
    from the kernel's last row to its first.

    Args:
        delta: (H', D, W', N).
        kernel, stride, dilation: along the height.
        tile: rows r of the input; columns and samples of the output.
        groups: G.
    """
    (H, D, _, _), (rows, cols, samples) = delta.shape, tile
    margin = (kernel - 1) * dilation
    size, top, length = tile.shape[0] + margin, rows.start - margin, tile.shape[1] * tile.shape[2]
    first, end = max(0, -(-top // stride)), min(H, -(-rows.stop // stride))  # rows i that reach any r
    count, start = max(0, end - first), first * stride - top
    spread = products.aligned_empty((groups, size, D // groups, length), delta.dtype)
    spread[...] = 0
    part = delta[first : first + count, :, cols, samples].reshape(count, groups, D // groups, length)
    spread[:, start : start + count * stride : stride] = part.swapaxes(0, 1)
    return windows(spread, kernel, size - margin, 1, dilation)


def col2im(lines: Array, out: Array, kernel: int, stride: int, tile: Tile, dilation: int = 1) -> None:
    """Sum along the width over the copies that im2col made: its adjoint for a kernel of height 1.

    Args:
        lines: (G, rows, C/G*k2, cols*samples) for the tile's rows of the input.
        out: (H, C, W, N), padded; the sums are added to it.
        kernel, stride, dilation: along the width: k2, s2, d2.
        tile: rows of the input; columns and samples of the output.
    """
    (G, rows, _, _), (H, C, W, N), (_, cols, samples) = lines.shape, out.shape, tile.shape
    left, reach = tile.cols.start * stride, (cols - 1) * stride + (kernel - 1) * dilation + 1
    image = out.reshape(H, G, C // G, W, N)[tile.rows, :, :, left : left + reach, tile.samples]
    lines = lines.reshape(G, rows, C // G, kernel, cols, samples).swapaxes(0, 1)
    products.gather_columns(lines, image, kernel, stride, dilation)
