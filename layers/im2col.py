"""im2col gathers the elements under a window at each position into columns; col2im is its transpose."""

from ..backend import Array, Window, xp


def im2col(o: Array, window: Window, border: float = 0.0) -> Array:
    """The elements under the window at every position::

        col[c,m,n,s,i,j] = o[s, c, i s1 + m d1 - p1, j s2 + n d2 - p2],    ``border`` outside of the image

    A sum over the window becomes a sum over the axes (c, m, n), and a convolution a matrix product.

    Shapes: o (N, C, H, W), col (C, k1, k2, N, H', W').
    """
    (k1, k2), (s1, s2), (p1, p2), (d1, d2) = window
    (N, C, H, W), (rows, cols) = o.shape, window.positions(o.shape[2:])
    padded = xp.full((N, C, H + 2 * p1, W + 2 * p2), border, dtype=o.dtype)
    padded[:, :, p1 : p1 + H, p2 : p2 + W] = o
    col = xp.empty((C, k1, k2, N, rows, cols), dtype=o.dtype)
    for m in range(k1):
        for n in range(k2):
            i, j = m * d1, n * d2
            col[:, m, n] = padded[:, :, i : i + rows * s1 : s1, j : j + cols * s2 : s2].swapaxes(0, 1)
    return col


def col2im(dcol: Array, shape: tuple[int, ...], window: Window) -> Array:
    """dE/do from dE/dcol: each element of the image sums over all columns that it was copied to::

        dE/do[s, c, i s1 + m d1 - p1, j s2 + n d2 - p2] += dE/dcol[c,m,n,s,i,j]

    Args:
        dcol: (C, k1, k2, N, H', W').
        shape: the shape of o, (N, C, H, W).
        window: as for :func:`im2col`.
    """
    (k1, k2), (s1, s2), (p1, p2), (d1, d2) = window
    (N, C, H, W), (rows, cols) = shape, dcol.shape[4:]
    padded = xp.zeros((N, C, H + 2 * p1, W + 2 * p2), dtype=dcol.dtype)
    for m in range(k1):
        for n in range(k2):
            i, j = m * d1, n * d2
            padded[:, :, i : i + rows * s1 : s1, j : j + cols * s2 : s2] += dcol[:, m, n].swapaxes(0, 1)
    return padded[:, :, p1 : p1 + H, p2 : p2 + W]
