"""What resizes images and signals, of ``layers/modern``, against PyTorch; ``against_torch`` states the bounds."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from peers.against_torch import BATCH, LAYOUTS, PROPERTY, SEEDS, agree, normal, pairs, randomize
from torch.nn import functional

import xpnn as nn

LAYOUT = st.sampled_from(LAYOUTS)
SOME = settings(PROPERTY, max_examples=15)  # what moves the elements is compared with PyTorch as Conv2D's, 100 times
dtypes = pytest.mark.parametrize("dtype", ["float64", "float32"])
GROUPS = st.integers(1, 3), st.integers(1, 3), st.integers(1, 3)
"""Channels and kernels of a group, and groups."""


@dtypes
@SOME
@given(
    BATCH, *GROUPS, st.integers(1, 12), *[st.integers(1, 4)] * 2, st.integers(0, 3), st.integers(1, 3), LAYOUT, SEEDS
)
def test_conv1d(
    measured, dtype, batch, channels, kernels, groups, length, kernel, stride, padding, dilation, layout, seed
):
    assume(length + 2 * padding > dilation * (kernel - 1))
    rng = np.random.default_rng(seed)
    x = normal(rng, (batch, groups * channels, length), dtype)
    layer = nn.Conv1D(groups * channels, groups * kernels, kernel, stride, padding, dilation, groups, dtype=dtype)
    randomize(layer, rng)

    def conv1d(x, W, b):
        return functional.conv1d(x, W, b, stride, padding, dilation, groups)

    terms = max(channels * kernel + 1, kernels * kernel, batch * (length + 2 * padding))  # of y, dE/dx, dE/dW
    agree(measured, layer, conv1d, rng, layout, terms=terms, magnitude=conv1d, x=x)


@dtypes
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@SOME
@given(BATCH, *GROUPS, pairs(1, 6), pairs(1, 4), pairs(1, 3), st.booleans(), LAYOUT, SEEDS)
def test_same_padding(measured, dtype, batch, channels, kernels, groups, image, kernel, dilation, signal, layout, seed):
    """Of images, and of signals."""
    rng, axes = np.random.default_rng(seed), slice(0, 1 if signal else 2)
    kind, function = (nn.Conv1D, functional.conv1d) if signal else (nn.Conv2D, functional.conv2d)
    image, kernel, dilation = image[axes], kernel[axes], dilation[axes]
    x = normal(rng, (batch, groups * channels, *image), dtype)
    layer = kind(groups * channels, groups * kernels, kernel, 1, "same", dilation, groups, dtype=dtype)
    randomize(layer, rng)

    def same(x, W, b):
        return function(x, W, b, 1, "same", dilation, groups)

    area = math.prod(kernel)
    terms = max(channels * area + 1, kernels * area, batch * math.prod(image))
    agree(measured, layer, same, rng, layout, terms=terms, magnitude=same, x=x)


@dtypes
@SOME
@given(
    BATCH, *GROUPS, *(pairs(1, 5), pairs(1, 4), pairs(1, 3), pairs(0, 2), pairs(0, 2), pairs(1, 3)), *(LAYOUT, SEEDS)
)
def test_conv_transpose2d(
    measured, dtype, batch, channels, kernels, groups, image, kernel, stride, padding, more, dilation, layout, seed
):
    sizes = list(zip(image, kernel, stride, padding, more, dilation, strict=True))
    assume(all(m < max(s, d) and (n - 1) * s - 2 * p + d * (k - 1) + 1 + m > 0 for n, k, s, p, m, d in sizes))
    rng = np.random.default_rng(seed)
    x = normal(rng, (batch, groups * channels, *image), dtype)
    layer = nn.ConvTranspose2D(
        *(groups * channels, groups * kernels, kernel, stride, padding, more, groups), dilation=dilation, dtype=dtype
    )
    randomize(layer, rng)

    def conv_transpose2d(x, W, b):
        return functional.conv_transpose2d(x, W, b, stride, padding, more, groups, dilation)

    area, pixels = math.prod(kernel), math.prod(layer(nn.asarray(x, dtype)).shape[2:])
    terms = max(channels * area + 1, kernels * area, batch * pixels)  # of y, dE/dx, dE/db
    agree(measured, layer, conv_transpose2d, rng, layout, terms=terms, magnitude=conv_transpose2d, x=x)


@dtypes
@SOME
@given(BATCH, st.integers(1, 3), st.integers(1, 9), st.integers(1, 4), st.integers(1, 3), st.data(), LAYOUT, SEEDS)
def test_pooling_of_signals(measured, dtype, batch, channels, length, size, stride, data, layout, seed):
    padding = data.draw(st.integers(0, size // 2))  # PyTorch allows half of the window, xpnn more
    assume(length + 2 * padding >= size)
    rng = np.random.default_rng(seed)
    x, window = normal(rng, (batch, channels, length), dtype), (size, stride, padding)
    windows = -(-size // stride)  # to which a value belongs
    agree(measured, nn.MaxPool1D(*window), lambda x: functional.max_pool1d(x, *window), rng, layout, terms=windows, x=x)

    def mean(x):
        return functional.avg_pool1d(x, *window)

    agree(measured, nn.AvgPool1D(*window), mean, rng, layout, terms=size + windows + 1, magnitude=mean, x=x)


@dtypes
@SOME
@given(BATCH, st.integers(1, 3), pairs(1, 5), pairs(1, 3), LAYOUT, SEEDS)
def test_upsampling_and_global_pooling(measured, dtype, batch, channels, image, scale, layout, seed):
    rng = np.random.default_rng(seed)
    x = normal(rng, (batch, channels, *image), dtype)

    def upsample(x):
        return functional.interpolate(x, scale_factor=tuple(map(float, scale)), mode="nearest")

    terms = math.prod(scale)
    agree(measured, nn.Upsample2D(scale), upsample, rng, layout, terms=terms, magnitude=upsample, x=x)
    most = functional.adaptive_max_pool2d, functional.adaptive_max_pool1d
    agree(measured, nn.GlobalMaxPool2D(), lambda x: most[0](x, 1)[:, :, 0, 0], rng, layout, x=x)
    rows = x[:, :, 0]
    agree(measured, nn.GlobalMaxPool1D(), lambda x: most[1](x, 1)[:, :, 0], rng, layout, x=rows)

    def mean(x):
        return x.mean(2)

    terms = max(image[1], 2)
    agree(measured, nn.GlobalAvgPool1D(), mean, rng, layout, terms=terms, magnitude=mean, x=rows)
