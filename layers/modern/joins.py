"""Layers that combine several arrays into one, as where branches of a :class:`Graph` meet."""

from functools import reduce
from itertools import accumulate
from typing import Any

from ...backend import Array, xp
from ..base import Backward, Layer

Arrays = tuple[Array, ...]


class _Join(Layer):
    """x is a tuple of arrays, and backward returns the tuple of their gradients."""

    joins = True

    def _check_all(self, x: Any) -> None:
        """Raise unless x holds at least two arrays, of one dtype and rank and of one batch."""
        if not isinstance(x, tuple) or len(x) < 2:
            got = f"{len(x)} in a tuple" if isinstance(x, tuple) else type(x).__name__
            raise TypeError(f"{self}: expected a tuple of at least two arrays, got {got}")
        for array in x:
            self._check(array, "...", dtype=None if array is x[0] else x[0].dtype)
            if array.ndim != x[0].ndim or len(array) != len(x[0]):
                raise self._misfit(x, "of the same batch and the same number of axes")

    def _misfit(self, x: Arrays, expected: str) -> ValueError:
        return ValueError(f"{self}: expected arrays {expected}, got the shapes {', '.join(str(a.shape) for a in x)}")


class _Elementwise(_Join):
    """A join of arrays of one shape; an array whose axis has length 1 is repeated along it."""

    def _check_all(self, x: Any) -> None:
        super()._check_all(x)
        if any(len(set(lengths) - {1}) > 1 for lengths in zip(*(array.shape for array in x), strict=True)):
            raise self._misfit(x, "whose axes are equally long, or of length 1")


def _summed(dy: Array, shape: tuple[int, ...]) -> Array:
    """The gradient for an array of this shape: dy summed over the axes along which the array was repeated."""
    axes = tuple(axis for axis, (n, m) in enumerate(zip(shape, dy.shape, strict=True)) if n != m)
    return dy.sum(axes, keepdims=True) if axes else dy


class Add(_Elementwise):
    """The sum of several arrays::

        y        = x_1 + ... + x_K
        dE/dx_k  = dE/dy

    Input: a tuple of K >= 2 arrays of the same shape, which is also the output's. An array may have length 1 along any
    axis but the batch's: it is then repeated along that axis, and its gradient is the sum over it.

    Raises:
        TypeError: the input is not a tuple of at least two arrays of one dtype.
        ValueError: their shapes do not fit.

    >>> y, backward = Add().forward((asarray([[1.0, 2.0]]), asarray([[0.5, 0.5]])))
    >>> y
    array([[1.5, 2.5]], dtype=float32)
    >>> len(backward(y))  # dE/dx_1 and dE/dx_2
    2
    """

    separable = keeps_steps = True

    def forward(self, x: Any, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check_all(x)

        def backward(dy: Array) -> Arrays:
            return tuple(_summed(dy, x_k.shape) for x_k in x)

        return reduce(xp.add, x), backward


class Multiply(_Elementwise):
    """The product of several arrays, element by element, as when one gates another::

        y        = x_1 * ... * x_K
        dE/dx_k  = dE/dy * prod_{j != k} x_j

    Input, output and errors as for :class:`Add`.

    >>> Multiply()((asarray([[1.0, 2.0]]), asarray([[0.5]])))  # the second is repeated
    array([[0.5, 1. ]], dtype=float32)
    """

    separable = keeps_steps = True

    def forward(self, x: Any, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check_all(x)

        def backward(dy: Array) -> Arrays:
            others = (reduce(xp.multiply, x[:k] + x[k + 1 :]) for k in range(len(x)))
            return tuple(_summed(dy * other, x_k.shape) for x_k, other in zip(x, others, strict=True))

        return reduce(xp.multiply, x), backward


class Concat(_Join):
    """Several arrays side by side along one axis::

        y        = [x_1, ..., x_K]
        dE/dx_k  = the section of dE/dy where x_k stands in y

    Args:
        axis: along which; by default 1, the features of (N, features) and the channels of (N, C, H, W).

    Input: a tuple of K >= 2 arrays of the same shape except along this axis; the output's length along it is the sum of
    their lengths.

    Raises:
        TypeError: the input is not a tuple of at least two arrays of one dtype.
        ValueError: their shapes do not fit, or the axis is that of the batch.

    >>> Concat()((asarray([[1.0, 2.0]]), asarray([[3.0]])))
    array([[1., 2., 3.]], dtype=float32)
    """

    separable = True

    def __init__(self, axis: int = 1) -> None:
        super().__init__()
        self.axis = axis

    @property
    def keeps_steps(self) -> bool:  # type: ignore[override]
        return self.axis > 1 or self.axis == -1

    def forward(self, x: Any, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check_all(x)
        axis = self._axis(x)
        ends = list(accumulate(x_k.shape[axis] for x_k in x))

        def backward(dy: Array) -> Arrays:
            return tuple(xp.split(dy, ends[:-1], axis))

        return xp.concatenate(x, axis), backward

    def _axis(self, x: Arrays) -> int:
        """The axis as a non-negative index; an error unless all other axes agree."""
        axis = self.axis + x[0].ndim if self.axis < 0 else self.axis
        if not 0 < axis < x[0].ndim:
            raise self._misfit(x, f"with an axis {self.axis} that is not the batch's")
        if len({x_k.shape[:axis] + x_k.shape[axis + 1 :] for x_k in x}) > 1:
            raise self._misfit(x, f"that differ along axis {self.axis} alone")
        return axis
