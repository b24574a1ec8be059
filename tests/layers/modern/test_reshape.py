"""Samples in another shape, sections of them, and each value times a factor plus an offset."""

import numpy as np
import pytest
from border import dev, host

import xpnn as nn


def test_reshape_keeps_the_order(rng):
    x, dy = rng.standard_normal((2, 12)), rng.standard_normal((2, 3, 2, 2))
    y, backward = nn.Reshape(3, -1, 2).forward(dev(x))
    np.testing.assert_array_equal(host(y), x.reshape(2, 3, 2, 2))
    np.testing.assert_array_equal(host(backward(dev(dy))), dy.reshape(2, 12))
    assert repr(nn.Reshape(3, -1, 2)) == "Reshape(3, -1, 2)"


@pytest.mark.parametrize("sizes", [(), (0, 3), (-1, -1), (-2,)])
def test_sizes_are_positive(sizes):
    with pytest.raises(ValueError, match="expected positive sizes, of which one may be -1"):
        nn.Reshape(*sizes)


@pytest.mark.parametrize("sizes", [(5,), (5, -1), (3, 2)])
def test_another_number_of_elements(sizes, rng):
    with pytest.raises(ValueError, match=r"Reshape\(.*expected samples of [56] elements, got input of shape \(2, 12\)"):
        nn.Reshape(*sizes)(dev(rng.standard_normal((2, 12))))


@pytest.mark.parametrize(("start", "stop", "axis"), [(-1, None, 1), (1, -1, 2), (None, 2, -1)])
def test_a_section(start, stop, axis, rng):
    x = rng.standard_normal((2, 4, 5))
    y, backward = nn.Slice(start, stop, axis=axis).forward(dev(x))
    expected = x.swapaxes(1, axis)[:, start:stop].swapaxes(1, axis)
    np.testing.assert_array_equal(host(y), expected)
    dx = host(backward(y))
    np.testing.assert_array_equal(dx.swapaxes(1, axis)[:, start:stop].swapaxes(1, axis), expected)
    assert dx.shape == x.shape
    assert np.count_nonzero(dx) == expected.size


@pytest.mark.parametrize(("start", "stop", "axis"), [(4, None, 1), (0, 1, 0), (0, 1, 3), (2, 1, 2)])
def test_a_section_of_nothing(start, stop, axis, rng):
    with pytest.raises(ValueError, match=r"Slice\(.*expected input with elements in .*, got shape \(2, 4, 5\)"):
        nn.Slice(start, stop, axis=axis)(dev(rng.standard_normal((2, 4, 5))))


def test_a_fixed_scale_is_not_trained(rng):
    layer = nn.Affine((3,), learned=False, dtype="float64")
    layer.buffers.update(scale=np.array([1.0, 2.0, 3.0]), offset=np.array([0.0, 1.0, 0.0]))
    x = rng.standard_normal((2, 3))
    y, backward = layer.forward(dev(x))
    np.testing.assert_allclose(host(y), x * [1, 2, 3] + [0, 1, 0])
    np.testing.assert_allclose(host(backward(dev(np.ones((2, 3))))), [[1, 2, 3]] * 2)
    assert not layer.params
    with pytest.raises(ValueError, match=r"as long as those of \(3,\), got \(2, 4\)"):
        layer(dev(rng.standard_normal((2, 4))))


def test_a_sample_grows_along_an_axis_of_length_1(rng):
    report = nn.gradcheck(nn.Affine((4, 3)), rng.standard_normal((2, 1, 3)))
    assert report.ok
