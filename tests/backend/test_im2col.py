"""im2col index by index, its tiles, and the memory that a convolution takes for them."""

import itertools
import tracemalloc

import numpy as np
import pytest
from border import STAND_IN, dev, host

import xpnn as nn
from xpnn.backend import Window
from xpnn.backend.shared import convolution
from xpnn.backend.shared import im2col as tiled
from xpnn.backend.shared.im2col import WORKSPACE_BYTES, Tile, col2im, im2col, tiles

ON_CPU = nn.xp.__name__ == "numpy"
GEOMETRIES = pytest.mark.parametrize(
    ("kernel", "stride", "dilation"),
    [((3, 2), (1, 1), (2, 3)), ((2, 3), (2, 1), (3, 2)), ((3, 3), (3, 2), (2, 2)), ((1, 2), (2, 3), (4, 5))],
)


def sizes(kernel, stride, dilation, shape=(9, 2, 10, 3)):
    """A shape (H, C, W, N) and the output's (H', W')."""
    H, W = Window(kernel, stride, dilation=dilation).positions(shape[:3:2])
    return shape, H, W


@pytest.mark.parametrize("groups", [1, 2])
@GEOMETRIES
def test_im2col_index_by_index(kernel, stride, dilation, groups, rng):
    shape, H, W = sizes(kernel, stride, dilation)
    x, C = rng.standard_normal(shape), shape[1] // groups
    whole, part = Tile(slice(0, H), slice(0, W), slice(0, 3)), Tile(slice(1, H), slice(1, 2), slice(1, 3))
    for tile, parts in (whole, 1), (whole, W), (part, 1):
        rows, cols, samples = tile
        columns = host(im2col(dev(x), kernel, stride, tile, dilation, groups, parts))
        assert columns.shape[1:3] == (parts, H - rows.start)
        columns = columns.reshape(groups, parts, H - rows.start, kernel[0], C * kernel[1] + 1, -1, 3 - samples.start)
        columns = np.concatenate(list(columns.swapaxes(0, 1)), axis=-2)  # side by side again
        assert (columns[:, :, :, -1] == 1).all()
        pixels = columns[:, :, :, :-1].reshape(*columns.shape[:3], C, kernel[1], *columns.shape[4:])
        for g, i, m, c, n, j, sample in np.ndindex(pixels.shape):
            row, column = (rows.start + i) * stride[0] + m * dilation[0], (cols.start + j) * stride[1] + n * dilation[1]
            assert pixels[g, i, m, c, n, j, sample] == x[row, g * C + c, column, samples.start + sample]


@pytest.mark.parametrize("groups", [1, 2])
@GEOMETRIES
def test_col2im_is_the_adjoint_of_im2col(kernel, stride, dilation, groups, rng):
    """<im2col x, c> = <x, col2im c> along the width, tile by tile and over all tiles together."""
    kernel, stride, dilation = (1, kernel[1]), (1, stride[1]), (1, dilation[1])
    shape, H, W = sizes(kernel, stride, dilation)
    x, sums = rng.standard_normal(shape), nn.xp.zeros(shape)
    left = 0.0
    for rows, cols in itertools.product((slice(0, 4), slice(4, H)), (slice(0, 1), slice(1, W))):
        tile = Tile(rows, cols, slice(0, 3))
        columns = host(im2col(dev(x), kernel, stride, tile, dilation, groups))[:, 0, :, :-1]  # without the ones
        c = rng.standard_normal(columns.shape)
        alone = nn.xp.zeros(shape)
        for out in alone, sums:
            col2im(dev(c), out, kernel[1], stride[1], tile, dilation[1])
        np.testing.assert_allclose((host(alone) * x).sum(), (columns * c).sum(), rtol=1e-11)
        left += (columns * c).sum()
    np.testing.assert_allclose((host(sums) * x).sum(), left, rtol=1e-11)


def test_a_window_s_positions_are_counted():
    for size, kernel, stride, padding, dilation in itertools.product(range(1, 9), (1, 2, 3), (1, 2), (0, 1), (1, 2, 3)):
        reach = dilation * (kernel - 1)  # from the first pixel under the kernel to the last
        positions = len(range(-padding, size + padding - reach, stride))
        if positions:
            window = Window((kernel, 1), (stride, 1), (padding, 0), (dilation, 1))
            assert window.positions((size, 7)) == (positions, 7)


@pytest.mark.parametrize("workspace", [1, 4000, 1 << 40])
def test_tiles_cover_every_position_once_within_the_workspace(workspace, monkeypatch):
    monkeypatch.setattr(tiled, "WORKSPACE_BYTES", workspace)
    monkeypatch.setattr(tiled, "_STRETCH", (4, 16))
    seen = np.zeros((17, 5, 6), int)
    for tile in tiles(seen.shape, line_bytes=20, kernel=2, stride=2, dilation=2):
        seen[tile] += 1
        rows, cols, samples = seen[tile].shape
        assert 40 * (2 * (rows - 1) + 5) * cols * samples <= workspace or rows == cols == samples == 1
    assert (seen == 1).all()


def test_the_output_has_its_rows_first_and_the_batch_last_in_memory(rng):
    y = nn.Conv2D(4, 6, 3, dilation=2, groups=2, rng=0, dtype="float64")(dev(rng.standard_normal((3, 4, 7, 8))))
    assert y.transpose(2, 1, 3, 0).flags.c_contiguous


def owner(array):
    """Whose memory a view shows; as_strided's result stands on a helper that is no array itself."""
    while getattr(array, "base", None) is not None:
        array = array.base
    return array


@pytest.mark.skipif(STAND_IN, reason="images so large take it a minute")
@pytest.mark.parametrize(
    ("shape", "kernel", "options"),
    [
        ((2, 3, 512, 512), 7, {"padding": 3}),
        ((1, 16, 512, 512), 7, {"padding": 3, "stride": 2}),
        ((1500, 8, 12, 12), 7, {"padding": 3}),
        ((1, 4, 3, 30_000), (3, 7), {"dilation": (1, 2)}),
        ((2, 3, 200, 200), 7, {"padding": 9, "dilation": 3}),
    ],
    ids=["512x512", "512x512, stride 2", "large batch", "wide image", "dilation"],
)
def test_the_workspace_has_a_cap_whatever_the_image_kernel_or_batch(shape, kernel, options, monkeypatch, rng):
    """A training step in which no array of im2col's, nor of the input gradient's, is larger than WORKSPACE_BYTES."""
    sizes = []

    def watched(function):
        def run(*args):
            result = function(*args)
            sizes.append(owner(result).nbytes)
            return result

        return run

    for name in "turned_windows", "im2col":
        monkeypatch.setattr(convolution, name, watched(getattr(convolution, name)))
    model = nn.Sequential(nn.Conv2D(shape[1], 4, kernel, rng=0, **options), nn.GlobalAvgPool2D(), nn.Dense(4, 2, rng=1))
    x, labels = nn.asarray(rng.standard_normal(shape)), nn.asarray(np.arange(shape[0]) % 2)
    before = host(model.flat_params).copy()
    logits, backward = model.forward(x)
    _, loss_backward = nn.SoftmaxCrossEntropy().forward(logits, labels)
    assert backward(loss_backward()).shape == shape
    nn.SGD(0.1).step(model)
    assert (host(model.flat_params) != before).any()
    assert bool(sizes) == (ON_CPU or "stride" in options)  # elsewhere a device writes no columns
    assert max(sizes, default=0) <= WORKSPACE_BYTES


if ON_CPU:  # tracemalloc does not see a device's memory

    def test_a_convolution_needs_little_more_memory_than_its_images():
        conv = nn.Conv2D(3, 8, 7, padding=3, rng=0)
        x = np.zeros((512, 3, 512, 2), "float32").transpose(3, 1, 0, 2)
        dy = np.zeros((512, 8, 512, 2), "float32").transpose(3, 1, 0, 2)
        tracemalloc.start()
        try:
            _, backward = conv.forward(x)
            backward(dy)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        padded = 2 * 3 * 518 * 518 * 4
        # the output, the padded input and its gradient, four arrays of a tile
        assert peak <= dy.nbytes + 2 * padded + 4 * WORKSPACE_BYTES
