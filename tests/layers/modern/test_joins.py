"""Layers that make one array of several."""

import numpy as np
import pytest
from border import dev, host

import xpnn as nn


def passed(layer, *arrays):
    """y, dE/dy, and the gradients of the arrays."""
    y, backward = layer.forward(tuple(map(dev, arrays)))
    dy = np.random.default_rng(1).standard_normal(y.shape)
    return host(y), dy, [host(dx) for dx in backward(dev(dy))]


def test_a_sum_gives_each_its_gradient(rng):
    a, b, c = rng.standard_normal((3, 2, 4))
    y, dy, dx = passed(nn.Add(), a, b, c)
    np.testing.assert_array_equal(y, a + b + c)
    for gradient in dx:
        np.testing.assert_array_equal(gradient, dy)


def test_a_product_gives_each_the_product_of_the_others_and_divides_by_none(rng):
    a, b, c = rng.standard_normal((3, 2, 4))
    b[0, 0] = 0
    y, dy, dx = passed(nn.Multiply(), a, b, c)
    np.testing.assert_allclose(y, a * b * c, rtol=1e-14)
    for gradient, others in zip(dx, (b * c, a * c, a * b), strict=True):
        np.testing.assert_allclose(gradient, dy * others, rtol=1e-14)


def test_what_is_repeated_along_an_axis_has_the_sum_over_it_as_its_gradient(rng):
    images, gates = rng.standard_normal((2, 3, 4, 5)), rng.standard_normal((2, 3, 1, 1))
    y, dy, dx = passed(nn.Multiply(), images, gates)
    np.testing.assert_array_equal(y, images * gates)
    np.testing.assert_allclose(dx[1], (dy * images).sum((2, 3), keepdims=True), rtol=1e-13)
    assert passed(nn.Add(), gates, images)[2][0].shape == gates.shape


@pytest.mark.parametrize(("axis", "shapes"), [(1, [(2, 3, 4), (2, 1, 4), (2, 2, 4)]), (-1, [(2, 3), (2, 1)])])
def test_sections_have_their_sections_of_the_gradient(axis, shapes, rng):
    arrays = [rng.standard_normal(shape) for shape in shapes]
    y, dy, dx = passed(nn.Concat(axis), *arrays)
    np.testing.assert_array_equal(y, np.concatenate(arrays, axis))
    np.testing.assert_array_equal(np.concatenate(dx, axis), dy)
    assert [gradient.shape for gradient in dx] == shapes


@pytest.mark.parametrize(
    ("layer", "shapes", "wrong"),
    [
        (nn.Add(), [(2, 3)], r"tuple of at least two arrays, got 1 in a tuple"),
        (nn.Add(), [(2, 3), (2, 4)], r"of length 1, got the shapes \(2, 3\), \(2, 4\)"),
        (nn.Multiply(), [(2, 3), (1, 3)], "of the same batch"),
        (nn.Multiply(), [(2, 3), (2, 3, 1)], "same number of axes"),
        (nn.Concat(), [(2, 3, 4), (2, 3, 5)], "that differ along axis 1 alone"),
        (nn.Concat(0), [(2, 3), (2, 3)], "axis 0 that is not the batch's"),
        (nn.Concat(-2), [(2, 3), (2, 3)], "axis -2 that is not the batch's"),
        (nn.Concat(2), [(2, 3), (2, 3)], "axis 2"),
    ],
)
def test_what_does_not_fit_is_named(layer, shapes, wrong):
    with pytest.raises((ValueError, TypeError), match=wrong):
        layer(tuple(dev(np.ones(shape)) for shape in shapes))


def test_arrays_that_are_none_of_the_backend_s_or_of_two_dtypes_are_refused():
    x = dev(np.ones((2, 3)))
    with pytest.raises(TypeError, match=r"Concat\(\): expected a tuple of at least two arrays, got"):
        nn.Concat()(x)
    with pytest.raises(TypeError, match="expected an array of the"):
        nn.Add()((x, [1, 2]))
    with pytest.raises(TypeError, match="expected input of dtype float64, got float32"):
        nn.Add()((x, dev(np.ones((2, 3)), "float32")))
