"""im2col and its adjoint col2im, in batch-last memory order, without most of the copies.

A column holds the pixels under the kernel at one output position. Written out, the columns hold each pixel k1*k2 times.
Here only the k2 places along the width are copied out, row by row of the image; the rows under the kernel then lie one
after the other in memory, so that the columns of an output row are a view, and those of the next row overlap it.
(Cho, Brand, "MEC: memory-efficient convolution for deep neural network", 2017.)

The batch is the last axis, so that every copy runs along contiguous memory. Work goes in tiles: what stays in the cache
is read back far faster than it is from main memory, and the workspace has a bound.
"""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

from .kernels import REAL, gather_columns
from .memory import slices
from .select import Array, on_device, xp

WORKSPACE_BYTES = 1 << 28 if on_device else 1 << 23
"""The most that one array of a tile takes, unless a single column takes more."""

_STRETCH = (1 << 12, 1 << 40) if on_device else (256, 1024)
"""Positions along width and batch: fewer make a product inefficient, more leave a CPU's cache; a device wants few
launches."""


class Tile(NamedTuple):
    """A part of the output: output rows, output columns, samples."""

    rows: slice
    cols: slice
    samples: slice


def output_size(size: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> int:
    """Positions of a window along one axis: floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def tiles(shape: tuple[int, int, int], line_bytes: int, kernel: int, stride: int, dilation: int) -> Iterator[Tile]:
    """Tiles that cover an output (H', W', N) once, none of whose arrays takes more than WORKSPACE_BYTES.

    Tall rather than wide, since neighbours in height share rows of the input and neighbours in width share nothing.

    Args:
        shape: (H', W', N).
        line_bytes: of the widest array, for one row at one position of one sample.
        kernel, stride, dilation: along the height: k1, s1, d1.
    """
    copies = kernel if on_device or dilation > 1 else 1  # of each row under the kernel; CuPy's matmul copies views
    line_bytes, reach = line_bytes * copies, 2 * (kernel - 1) * dilation
    H, W, N = shape
    positions = WORKSPACE_BYTES // line_bytes
    full = positions // ((H - 1) * stride + 1 + reach)  # positions in width and batch where all rows are to fit
    stretch = min(positions // (reach + 1), max(_STRETCH[0], min(full, _STRETCH[1])))
    samples = max(1, min(N, stretch))
    cols = max(1, min(W, stretch // samples))
    rows = max(1, min(H, (positions // (cols * samples) - reach - 1) // stride + 1))
    yield from (Tile(*tile) for tile in product(slices(H, rows), slices(W, cols), slices(N, samples)))


def im2col(
    x: Array,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    tile: Tile,
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
) -> Array:
    """Columns for a tile of the output: (C, H, W, N), padded already, to (G, rows, k1*(C/G*k2 + 1), cols*samples).

    ``columns[g, i, (m,c,n), (j,sample)] = x[g*C/G + c, i*s1 + m*d1, j*s2 + n*d2, sample]``, and after the pixels of
    each m a 1, so that a bias is one more weight.

    Not to be written to: the rows overlap in memory, except where dilated.

    Args:
        x: the padded input with the batch last.
        kernel: (k1, k2).
        stride: (s1, s2).
        tile: the part of the output.
        dilation: (d1, d2), the distance between the pixels under neighbouring places of the kernel.
        groups: G.
    """
    (k1, k2), (s1, s2), (d1, d2), G, C = kernel, stride, dilation, groups, len(x) // groups
    rows, cols, samples = (part.stop - part.start for part in tile)
    height = (rows - 1) * s1 + (k1 - 1) * d1 + 1
    part = x[:, tile.rows.start * s1 :, tile.cols.start * s2 :, tile.samples]
    c, h, w, sample = part.strides
    places = xp.lib.stride_tricks.as_strided(
        part, (G, height, C, k2, cols, samples), (C * c, h, c, w * d2, w * s2, sample)
    )
    lines = xp.empty((G, height, C * k2 + 1, cols * samples), dtype=x.dtype)
    lines[:, :, :-1].reshape(places.shape)[...] = places
    lines[:, :, -1] = 1
    return windows(lines, k1, rows, s1, d1)


def windows(lines: Array, kernel: int, count: int, stride: int = 1, dilation: int = 1) -> Array:
    """The rows under a window that moves along axis 1: (G, height, K, L) to (G, count, kernel*K, L).

    ``windows[g, i, (m,k), l] = lines[g, i*stride + m*dilation, k, l]``, a view unless dilated.
    """
    (G, _, K, L), (g, h, k, l) = lines.shape, lines.strides
    view = xp.lib.stride_tricks.as_strided(lines, (G, count, kernel, K, L), (g, h * stride, h * dilation, k, l))
    return view.reshape(G, count, kernel * K, L)


def turned_windows(lines: Array, kernel: int, stride: int = 1, dilation: int = 1) -> Array:
    """The rows that the rows of the input meet under a turned kernel: (G, rows, K, L) to (G, height, kernel*K, L).

    ``turned_windows[g, r, (m,k), l] = lines[g, i, k, l]`` where i*stride + (kernel-1-m)*dilation = r, or 0 for no i:
    what :func:`windows` took from row r, from the last place under the kernel to the first.
    """
    G, count, K, L = lines.shape
    margin, rows = (kernel - 1) * dilation, (count - 1) * stride + 1
    spread = xp.zeros((G, rows + 2 * margin, K, L), dtype=lines.dtype)
    spread[:, margin : margin + rows : stride] = lines
    return windows(spread, kernel, rows + margin, 1, dilation)


def col2im(
    lines: Array,
    out: Array,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    tile: Tile,
    dilation: tuple[int, int] = (1, 1),
) -> None:
    """Add up along the width what im2col copied out: its adjoint for a kernel of height 1.

    Args:
        lines: (G, height, C/G*k2, cols*samples) for all rows of the input that the tile's kernels reach.
        out: (C, H, W, N), padded; the sums are added to it.
        kernel, stride, tile, dilation: as for :func:`im2col`.
    """
    (G, height, _, _), (C, H, W, N) = lines.shape, out.shape
    (_, k2), (s1, s2), (_, d2) = kernel, stride, dilation
    cols, samples = (part.stop - part.start for part in tile[1:])
    top, left = tile.rows.start * s1, tile.cols.start * s2
    if on_device and out.dtype.name in REAL:
        reach = (cols - 1) * s2 + (k2 - 1) * d2 + 1
        image = out[:, top : top + height, left : left + reach, tile.samples].transpose(3, 0, 1, 2)
        gather_columns(lines, image, C // G, cols, k2, s2, d2)
        return
    image = out.reshape(G, C // G, H, W, N)[:, :, top : top + height, :, tile.samples]
    lines = lines.reshape(G, height, C // G, k2, cols, samples).swapaxes(1, 2)
    for n in range(k2):
        j = left + n * d2
        image[:, :, :, j : j + cols * s2 : s2] += lines[:, :, :, n]
