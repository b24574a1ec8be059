"""What the tests of the source document's formulas share: a comparison, and derivatives that no formula gives."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from border import host

STEP = 1e-30


def same(actual: Any, expected: Any) -> None:
    """Of one shape, and equal to 1e-12 of the largest element."""
    actual, expected = host(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def differ(actual: Any, expected: Any) -> None:
    """Further apart than any rounding, somewhere by a hundredth of the largest element or more."""
    actual, expected = host(actual), np.asarray(expected)
    assert np.abs(actual - expected).max() > 0.01 * np.abs(expected).max()


def derivative(function: Callable[[Any], complex], values: Any, *index: int) -> float:
    """d function / d values[index] for scalar loops: Im function(values + i h) / h, where no difference is taken.

    So it is exact to rounding. Source: Squire, Trapp, "Using complex variables to estimate derivatives of real
    functions", 1998.
    """
    moved = copy.deepcopy(values)
    *outer, last = index
    place = moved
    for k in outer:
        place = place[k]
    place[last] += 1j * STEP
    return complex(function(moved)).imag / STEP
