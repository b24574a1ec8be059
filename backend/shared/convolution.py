"""The convolution's three products by im2col: the output, the kernels' gradient and the input's gradient."""

from collections.abc import Callable, Iterator
from functools import lru_cache

from ..select import Array, Params, xp
from .im2col import Tile, batch_first, col2im, im2col, rows_first, tiles, turned_windows
from .machine import products
from .window import Pair, Window

_KEPT_BYTES = 1 << 22
"""Upper bound of the columns that a convolution keeps from its forward to its backward pass."""

_FEW_ROWS = 80
"""Rows of kernels: with more, the products evict the columns from the cache, so that recomputing im2col in backward is
faster than keeping the columns."""

_LONG = 256
"""Elements in a row of columns: with fewer, the kernels' gradient is faster with columns in another layout."""


class Correlation:
    """D kernels at every position of the padded images x (N, C, H, W), called o in the equations.

    In memory the rows come first and the batch last: o (H + 2 p1, C, W + 2 p2, N), and the output (H', D, W', N).

    If D is small, one product computes h output rows by h D taller kernels K; those for row j are W shifted down by j::

        y[h i + j, d]  =  sum_{m,c,n} K[j,d,m,c,n] o[h i + m, c, . + n],    K[j,d,j+m,c,n] = W[d,c,m,n], else 0

    The multiplications by 0 cost less than larger products save. A kernel as large as the image has one position, so
    one product with W (D, C k1 k2) is enough.

    Args:
        shape: the shape of x.
        out_channels: D.
        window: the kernels' window.
        groups: G.

    Attributes:
        rows, cols: H' and W'.
    """

    def __init__(self, shape: tuple[int, ...], out_channels: int, window: Window, groups: int) -> None:
        kernel, stride, padding, dilation = window
        self.stride, self.padding, self.dilation, self.G = stride, padding, dilation, groups
        (N, C, H, width), (p1, p2), self.D = shape, padding, out_channels // groups
        H, width = H + 2 * p1, width + 2 * p2
        self.shape = H, C, width, N
        self.C, self.k1, self.k2 = C // groups, *kernel
        self.rows, self.cols = window.positions(shape[2:])
        self.whole = kernel == (H, width) and groups == 1
        self.h = 1
        if groups == stride[0] == dilation[0] == 1:
            most = products.kernels_at_once(self.D * self.C * self.k1 * self.k2)
            self.h = next(h for h in (4, 3, 2, 1) if h == 1 or (self.rows % h == 0 and h * self.D <= most))
        self.out = (self.rows // self.h, groups, self.h * self.D, self.cols, N)

    def forward(self, x: Array, W: Array, b: Array) -> tuple[Array, Array | None]:
        """The output (H', D, W', N) from x, W (D, C/G, k1, k2) and b (D,); and the columns if kept, else None."""
        o = rows_first(x, *self.padding)
        if self.whole:
            y = products.matmul(W.reshape(self.D, -1), self._column(o))
            y += b[:, None]
            return y.reshape(1, self.D, 1, -1), None
        kernels, y, kept = self._kernels(W, b), xp.empty(self.out, dtype=o.dtype), None
        places = self._tiles(o.itemsize)
        for tile in places:
            parts = products.narrow_parts(kernels.shape[-2], kernels.shape[-1], *tile.shape[1:])
            out, columns = self._part(y, tile, parts), self._columns(o, tile, parts)
            if out.shape[-1] == y.shape[-1] or out.shape[-2] == 1:
                products.matmul(kernels, columns, out.reshape(*out.shape[:4], -1))
            else:
                out[...] = products.matmul(kernels, columns).reshape(out.shape)
            if len(places) == 1 and columns.shape[-1] >= _LONG and self._worth_keeping(o):
                kept = columns
            del columns  # the next tile then reuses this memory, which is in the cache
        return y.reshape(self.rows, self.G * self.D, *y.shape[3:]), kept

    def add_gradients(self, x: Array, kept: Array | None, delta: Array, dW: Array, db: Array) -> None:
        """Add dE/dW and dE/db to dW and db, from x, its columns if kept, and delta = dE/dy (H', D, W', N)."""
        if self.whole:
            delta = delta.reshape(self.D, -1)
            products.accumulate(dW.reshape(self.D, -1), delta, self._column(rows_first(x, *self.padding)).T)
            db += delta.sum(1)
            return
        delta = delta.reshape(self.out)
        for tile, columns in self._columns_again(x, kept):
            part = self._part(delta, tile, columns.shape[1])
            dK = products.sum_of_products(columns, part.reshape(*part.shape[:4], -1))
            del columns
            dK = dK.reshape(self.G, -1, self.C * self.k2 + 1, self.h, self.D)  # g, m, (c,n), j, d
            for j in range(self.h):
                db += dK[:, j, -1, j].ravel()
                rows = dK[:, j : j + self.k1, :-1, j].reshape(self.G, self.k1, self.C, self.k2, self.D)
                dW += rows.transpose(0, 4, 2, 1, 3).reshape(dW.shape)

    def _columns_again(self, x: Array, kept: Array | None) -> Iterator[tuple[Tile, Array]]:
        """The tiles and their columns, recomputed from x unless they were kept."""
        places = self._tiles(x.itemsize)
        if kept is not None:
            yield places[0], kept
            return
        o = rows_first(x, *self.padding)  # computing it again is cheaper than keeping it from the forward pass
        for tile in places:
            yield tile, self._columns(o, tile)

    def input_gradient(self, delta: Array, W: Array) -> Array:
        """dE/dx (H, C, W, N) from delta and W."""
        (H, _, width, N), (p1, p2), (d1, d2) = self.shape, self.padding, self.dilation
        border = (self.k1 - 1) * d1 - p1, (self.k2 - 1) * d2 - p2
        if self.whole:
            do = (
                products.matmul(W.reshape(self.D, -1).T, delta.reshape(self.D, N))
                .reshape(-1, H, width, N)
                .swapaxes(0, 1)
            )
        elif self.stride == (1, 1) and (self.D <= self.C or self.k2 == 1) and min(border) >= 0:
            return self._turned(batch_first(delta), W, border)
        else:
            do = self._spread(delta, W)
        return do[p1 : H - p1, :, p2 : width - p2]

    def _turned(self, delta: Array, W: Array, border: Pair) -> Array:
        """delta * W as a convolution with rotated kernels: faster if D <= C, or if k2 = 1, where no row is summed."""
        W = W.reshape(self.G, self.D, self.C, self.k1, self.k2)[..., ::-1, ::-1].swapaxes(1, 2)  # g, c, d, m, n
        kernels = W.reshape(-1, *W.shape[2:])
        window = Window((self.k1, self.k2), self.stride, border, self.dilation)
        back = correlation_of(delta.shape, len(kernels), window, self.G)
        return back.forward(delta, kernels, xp.zeros(len(kernels), dtype=delta.dtype))[0]

    def _spread(self, delta: Array, W: Array) -> Array:
        """delta * W: along the height by a product, along the width by col2im's sum."""
        (H, _, _, N), (s1, s2), (d1, d2) = self.shape, self.stride, self.dilation
        do = xp.zeros(self.shape, dtype=delta.dtype)
        W = W.reshape(self.G, self.D, self.C, self.k1, self.k2)
        turned = W[..., ::-1, :].transpose(0, 2, 4, 3, 1).reshape(self.G, 1, self.C * self.k2, -1)  # g, 1, (c,n), (m,d)
        line = self.G * max(self.C * self.k2, self.D)
        for tile in tiles((H, self.cols, N), line * delta.itemsize, self.k1, 1, d1):
            lines = products.matmul(turned, turned_windows(delta, self.k1, s1, tile, d1, self.G))
            col2im(lines, do, self.k2, s2, tile, d2)
        return do

    def _worth_keeping(self, o: Array) -> bool:
        """Whether the columns of o are small, and recomputing them would be slow compared with the products."""
        return self.dilation[0] == 1 and self.D * self.k1 <= _FEW_ROWS and o.nbytes * self.k2 <= _KEPT_BYTES

    def _column(self, o: Array) -> Array:
        """Each sample's only column (c,m,n), if the kernel is as large as the image."""
        return o.swapaxes(0, 1).reshape(-1, o.shape[3])

    def _tiles(self, itemsize: int) -> tuple[Tile, ...]:
        """The tiles of the output in blocks of h rows."""
        line = self.G * max(self.C * self.k2 + 1, self.h * self.D) * itemsize
        return tiles(
            (self.out[0], *self.out[3:]), line, self.k1 + self.h - 1, self.h * self.stride[0], self.dilation[0]
        )

    def _columns(self, o: Array, tile: Tile, parts: int = 1) -> Array:
        (s1, s2), kernel = self.stride, (self.k1 + self.h - 1, self.k2)
        return im2col(o, kernel, (self.h * s1, s2), tile, self.dilation, self.G, parts)

    def _part(self, x: Array, tile: Tile, parts: int = 1) -> Array:
        """The tile of x (blocks, G, h*D, W', N) with axes g, chunk of columns, block, (j,d), column, sample."""
        part = x[tile.rows, :, :, tile.cols, tile.samples]
        return part.reshape(*part.shape[:3], parts, -1, part.shape[-1]).transpose(1, 3, 0, 2, 4, 5)

    def _kernels(self, W: Array, b: Array) -> Array:
        """K (g, 1, 1, (j,d), (m,(c,n),1)) in the order of im2col's columns; row j has b at the 1 of its first m."""
        ordered, b = W.reshape(self.G, self.D, self.C, self.k1, self.k2).swapaxes(2, 3), b.reshape(self.G, self.D)
        K = xp.zeros((self.G, self.h, self.D, self.k1 + self.h - 1, self.C * self.k2 + 1), dtype=W.dtype)
        for j in range(self.h):
            K[:, j, :, j : j + self.k1, :-1].reshape(ordered.shape)[...] = ordered
            K[:, j, :, j, -1] = b
        return K.reshape(self.G, 1, 1, self.h * self.D, -1)


@lru_cache(1024)
def correlation_of(shape: tuple[int, ...], out_channels: int, window: Window, groups: int) -> Correlation:
    """The :class:`Correlation` of these sizes, cached since every step asks for it."""
    return Correlation(shape, out_channels, window, groups)


def conv2d(
    o: Array, params: Params, window: Window, groups: int, needs_dx: bool = True
) -> tuple[Array, Callable[[Array, Params], Array | None]]:
    """The convolution by im2col in tiles."""
    W, b = params["W"], params["b"]
    correlation = correlation_of(o.shape, len(W), window, groups)
    y, kept = correlation.forward(o, W, b)

    def backward(dy: Array, grads: Params) -> Array | None:
        delta = rows_first(dy)
        correlation.add_gradients(o, kept, delta, grads["W"], grads["b"])
        return batch_first(correlation.input_gradient(delta, W)) if needs_dx else None

    return batch_first(y), backward
