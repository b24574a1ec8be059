"""Running error analysis: how far two computations of one equation may lie apart.

An equation is run once more on :class:`Tracked` arrays. Beside each value they carry a bound of its rounding error, in
units of the dtype's eps, that every operation passes on to first order, with what it rounds itself:

- a sum, a product, a quotient, a square root: 1 unit of the result's size;
- a sum of n terms, in any order: n units of the sum of their absolute values, and so for each element of a matrix
  product; that is all that tells one arrangement of a sum from another;
- tanh, exp, log: 4 units of the result's size, the most that NumPy's vector loops and CUDA's functions are off;
- a constant that the dtype does not hold: 1 unit of its size.

Where a comparison hangs on a rounding, both outcomes are right, and the draw is to be made again (:class:`Ambiguous`).

Source: Higham, "Accuracy and stability of numerical algorithms", 2002, sections 3.1 and 3.3.
"""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

MARGIN = 2
"""Units that a form and its equation may lie apart for each unit of error. An operation rounds by half an eps at most,
so the equation is off by half the units that are counted; a form may round three times as often."""

FUNCTION = 4
"""Units of a tanh, exp or log."""


class Ambiguous(Exception):  # noqa: N818 (no error of anyone's)
    """A comparison of values that rounding may bring into the other order."""


class Tracked:
    """An array in double precision with the error of each element, in units of the eps of ``dtype``."""

    __array_ufunc__ = None  # so that NumPy's operators leave it to those below

    def __init__(self, value: Any, error: Any = None, dtype: Any = "float64") -> None:
        self.value = np.asarray(value, "float64")
        self.error = np.zeros_like(self.value) if error is None else np.asarray(error, "float64")
        self.dtype = np.dtype(dtype)

    @classmethod
    def exact(cls, array: np.ndarray) -> Any:
        """A copy of an array without errors; whole numbers stay as they are."""
        return cls(array.copy(), None, array.dtype) if array.dtype.kind == "f" else array.copy()

    shape = property(lambda self: self.value.shape)
    ndim = property(lambda self: self.value.ndim)
    size = property(lambda self: self.value.size)
    T = property(lambda self: self._each(np.transpose))
    mT = property(lambda self: self._each(lambda x: x.swapaxes(-1, -2)))  # noqa: N815 (NumPy's name)

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator["Tracked"]:
        return (self[i] for i in range(len(self)))

    def _each(self, view: Callable[[np.ndarray], Any]) -> "Tracked":
        """What moves values alone, and so their errors."""
        return Tracked(view(self.value), view(self.error), self.dtype)

    def __getitem__(self, key: Any) -> "Tracked":
        return self._each(lambda x: x[key])

    def __setitem__(self, key: Any, other: Any) -> None:
        self.value[key], self.error[key] = self._parts(other)

    def fill(self, value: float) -> None:
        self[...] = value

    def reshape(self, *shape: Any) -> "Tracked":
        return self._each(lambda x: x.reshape(*shape))

    def swapaxes(self, a: int, b: int) -> "Tracked":
        return self._each(lambda x: x.swapaxes(a, b))

    def copy(self) -> "Tracked":
        return self._each(np.copy)

    def ravel(self) -> "Tracked":
        return self._each(np.ravel)

    def _parts(self, other: Any) -> tuple[Any, Any]:
        """Value and error of an operand; a Python float is rounded to the dtype."""
        if isinstance(other, Tracked):
            return other.value, other.error
        if isinstance(other, float) and np.isfinite(other) and float(self.dtype.type(other)) != other:
            return other, abs(other)
        return np.asarray(other, "float64"), 0.0

    def _rounded(self, value: Any, error: Any) -> "Tracked":
        return Tracked(value, error + abs(value), self.dtype)

    def _assigned(self, result: "Tracked") -> "Tracked":
        self[...] = result
        return self

    def __neg__(self) -> "Tracked":
        return Tracked(-self.value, self.error, self.dtype)

    def __add__(self, other: Any) -> "Tracked":
        value, error = self._parts(other)
        return self._rounded(self.value + value, self.error + error)

    def __sub__(self, other: Any) -> "Tracked":
        value, error = self._parts(other)
        return self._rounded(self.value - value, self.error + error)

    def __rsub__(self, other: Any) -> "Tracked":
        return -self + other

    def __mul__(self, other: Any) -> "Tracked":
        value, error = self._parts(other)
        product, passed = self.value * value, abs(value) * self.error + abs(self.value) * error
        truth = isinstance(other, np.ndarray) and other.dtype == bool  # whose products are exact
        return Tracked(product, passed, self.dtype) if truth else self._rounded(product, passed)

    def __truediv__(self, other: Any) -> "Tracked":
        value, error = self._parts(other)
        quotient = self.value / value
        return self._rounded(quotient, (self.error + abs(quotient) * error) / abs(value))

    def __rtruediv__(self, other: Any) -> "Tracked":
        return Tracked(*self._parts(other), self.dtype) / self

    def __matmul__(self, other: Any) -> "Tracked":
        return _product(self, Tracked(*self._parts(other), self.dtype))

    def __rmatmul__(self, other: Any) -> "Tracked":
        return _product(Tracked(other, None, self.dtype), self)

    __radd__, __rmul__ = __add__, __mul__

    def __iadd__(self, other: Any) -> "Tracked":
        return self._assigned(self + other)

    def __isub__(self, other: Any) -> "Tracked":
        return self._assigned(self - other)

    def __imul__(self, other: Any) -> "Tracked":
        return self._assigned(self * other)

    def __gt__(self, other: Any) -> np.ndarray:
        value, error = self._parts(other)
        return _decided(self.value - value, self.error + error, self.dtype) > 0

    def __eq__(self, other: Any) -> Any:
        value, error = self._parts(other)
        with np.errstate(invalid="ignore"):  # infinity equals itself
            _decided(self.value - value, self.error + error, self.dtype)
        return self.value == value

    def __ne__(self, other: Any) -> Any:
        return ~(self == other)

    __hash__ = None  # type: ignore[assignment]

    def sum(self, axis: Any = None, keepdims: bool = False) -> "Tracked":
        total = self.value.sum(axis, keepdims=keepdims)
        terms = self.value.size // max(1, total.size)
        sizes, errors = abs(self.value).sum(axis, keepdims=keepdims), self.error.sum(axis, keepdims=keepdims)
        return Tracked(total, errors + terms * sizes, self.dtype)

    def mean(self, axis: Any = None, keepdims: bool = False) -> "Tracked":
        total = self.sum(axis, keepdims)
        return total / (self.size // max(1, total.size))

    def max(self, axis: Any = None, keepdims: bool = False) -> "Tracked":
        return self._each(lambda x: x.max(axis, keepdims=keepdims))  # it moves by no more than an element does

    def argmax(self, axis: int) -> np.ndarray:
        first = np.expand_dims(self.value.argmax(axis), axis)
        ahead = np.take_along_axis(self.value, first, axis) - np.where(np.isinf(self.value), -1e300, self.value)
        np.put_along_axis(ahead, first, np.inf, axis)
        _decided(ahead, self.error + np.take_along_axis(self.error, first, axis), self.dtype)
        return first.squeeze(axis)


def _product(a: Tracked, b: Tracked) -> Tracked:
    error = a.error @ abs(b.value) + abs(a.value) @ b.error + a.shape[-1] * (abs(a.value) @ abs(b.value))
    return Tracked(a.value @ b.value, error, a.dtype)


def _decided(difference: np.ndarray, error: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The difference of two values, where its sign hangs on no rounding; values that are exact may be equal."""
    if ((error > 0) & (abs(difference) <= MARGIN * np.finfo(dtype).eps * error)).any():
        raise Ambiguous
    return difference


def _function(f: Callable[[Any], Any], slope: Callable[[Any, Any], Any], units: int) -> Callable[[Tracked], Tracked]:
    """f, from its derivative as a function of x and f(x)."""

    def apply(x: Tracked) -> Tracked:
        y = f(x.value)
        return Tracked(y, abs(slope(x.value, y)) * x.error + units * abs(y), x.dtype)

    return apply


def _where(condition: np.ndarray, a: Any, b: Any) -> Any:
    if not isinstance(a, Tracked) and not isinstance(b, Tracked):
        return np.where(condition, a, b)
    like = a if isinstance(a, Tracked) else b
    (a, a_error), (b, b_error) = like._parts(a), like._parts(b)
    return Tracked(np.where(condition, a, b), np.where(condition, a_error, b_error), like.dtype)


def _maximum(a: Tracked, b: Any) -> Tracked:
    return _where(a > b, a, b)


def _new(make: Callable[..., np.ndarray]) -> Callable[..., Tracked]:
    return lambda *args, dtype: Tracked(make(*args), None, dtype)


def _joined(join: Callable[..., np.ndarray]) -> Callable[..., Tracked]:
    def apply(arrays: list[Tracked], axis: int = 0) -> Tracked:
        values, errors = ([getattr(x, part) for x in arrays] for part in ("value", "error"))
        return Tracked(join(values, axis=axis), join(errors, axis=axis), arrays[0].dtype)

    return apply


xp = SimpleNamespace(
    ndarray=Tracked,
    inf=np.inf,
    arange=np.arange,
    full=_new(np.full),
    empty=_new(np.zeros),
    zeros=_new(np.zeros),
    ones_like=lambda x: Tracked(np.ones(x.shape), None, x.dtype),
    empty_like=lambda x: Tracked(np.zeros(x.shape), None, x.dtype),
    tanh=_function(np.tanh, lambda x, y: 1 - y * y, FUNCTION),
    exp=_function(np.exp, lambda x, y: y, FUNCTION),
    log=_function(np.log, lambda x, y: 1 / x, FUNCTION),
    sqrt=_function(np.sqrt, lambda x, y: 0.5 / y, 1),
    square=lambda x: x * x,
    where=_where,
    maximum=_maximum,
    stack=_joined(np.stack),
    concatenate=_joined(np.concatenate),
    broadcast_to=lambda x, shape: x._each(lambda part: np.broadcast_to(part, shape)),
)
"""What the equations use of the array library, for tracked arrays."""
