"""Dilated and grouped convolution and global pooling against PyTorch; ``against_torch`` states the bounds."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from peers.against_torch import BATCH, LAYOUTS, PROPERTY, SEEDS, agree, normal, pairs, randomize
from torch.nn import functional

import xpnn as nn

LAYOUT = st.sampled_from(LAYOUTS)
dtypes = pytest.mark.parametrize("dtype", ["float64", "float32"])


@dtypes
@PROPERTY
@given(
    BATCH,
    *(st.integers(1, 3), st.integers(1, 3), st.integers(1, 4)),
    *(pairs(1, 9), pairs(1, 4), pairs(1, 3), pairs(0, 3), pairs(1, 3)),
    *(LAYOUT, SEEDS),
)
def test_conv2d(
    measured, dtype, batch, channels, kernels, groups, image, kernel, stride, padding, dilation, layout, seed
):
    """``channels`` and ``kernels`` are those of a group."""
    sizes = zip(image, kernel, padding, dilation, strict=True)
    assume(all(size + 2 * p > d * (k - 1) for size, k, p, d in sizes))
    rng = np.random.default_rng(seed)
    x = normal(rng, (batch, groups * channels, *image), dtype)
    layer = nn.Conv2D(groups * channels, groups * kernels, kernel, stride, padding, dilation, groups, dtype=dtype)
    randomize(layer, rng)

    def conv2d(x, W, b):
        return functional.conv2d(x, W, b, stride, padding, dilation, groups)

    area, positions = math.prod(kernel), math.prod(layer(nn.asarray(x, dtype)).shape[2:])
    terms = max(channels * area + 1, kernels * area, batch * positions)  # of y, dE/dx, dE/dW
    agree(measured, layer, conv2d, rng, layout, terms=terms, magnitude=conv2d, x=x)


@dtypes
@PROPERTY
@given(BATCH, st.integers(1, 4), pairs(1, 9), LAYOUT, SEEDS)
def test_global_average_pooling(measured, dtype, batch, channels, image, layout, seed):
    """In float32 the sum of H W terms has H W - 1 roundings and the quotient one; backward's scale and product two."""
    rng = np.random.default_rng(seed)
    x = normal(rng, (batch, channels, *image), dtype)

    def mean(x):
        return functional.adaptive_avg_pool2d(x, 1)[:, :, 0, 0]

    terms = max(math.prod(image), 2)
    agree(measured, nn.GlobalAvgPool2D(), mean, rng, layout, terms=terms, magnitude=mean, x=x)
