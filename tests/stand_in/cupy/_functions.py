"""CuPy's functions: NumPy's own under CuPy's signatures, and by hand those that differ on a device in more."""

import inspect
import sys
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from . import _names
from ._array import bind, check, compute, elementwise, is_scalar, memory, ndarray, refuse_cublas, wrap
from .stand_in import record


class ufunc:  # noqa: N801 (CuPy's name)
    """An elementwise function; of NumPy's keywords CuPy knows out, casting and dtype."""

    def __init__(self, name: str) -> None:
        self.name = self.__name__ = name
        self._function = getattr(np, name)
        self.nin = self._function.nin
        inputs = "x" if self.nin == 1 else "x1, x2"
        self.__signature__ = _names.parse(f"({inputs}, /, out=None, *, casting='same_kind', dtype=None)")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        bind(self.name, self.__signature__, args, kwargs)
        out = args[self.nin] if len(args) > self.nin else kwargs.pop("out", None)
        return elementwise(self._function, args[: self.nin], out, **kwargs)

    def reduce(self, array: ndarray, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        if self.name not in ("add", "multiply"):
            raise NotImplementedError(f"`cupy_{self.name}.reduce` is not supported yet")
        return (array.sum if self.name == "add" else array.prod)(axis, dtype, out, keepdims)  # type: ignore[attr-defined]


# -- from and to the host


def array(obj: Any, dtype: Any = None, copy: Any = True, order: Any = "K", subok: bool = False, ndmin: int = 0, *,
          blocking: bool = False) -> ndarray:  # fmt: skip
    if subok:
        raise NotImplementedError
    copy = copy if isinstance(obj, ndarray) else True
    given = memory(obj)

    def make() -> np.ndarray:
        return np.array(given, dtype, copy=copy, order=order, ndmin=ndmin)

    if _holds_device_arrays(obj):
        return compute(make, obj)
    host = make()
    host = host.astype(host.dtype.newbyteorder("="), copy=False)  # the one place where CuPy takes the other byte order
    record("uploads", f"{host.dtype} {host.shape}")
    return wrap(host)


def asarray(a: Any, dtype: Any = None, order: Any = None, *, copy: Any = None, blocking: bool = False) -> ndarray:
    return array(a, dtype, copy, order or "K", blocking=blocking)


def asanyarray(a: Any, dtype: Any = None, order: Any = None, *, copy: Any = None, blocking: bool = False) -> ndarray:
    return array(a, dtype, copy, order or "K", blocking=blocking)


def asnumpy(a: Any, stream: Any = None, order: Any = "C", out: Any = None, *, blocking: bool = True) -> np.ndarray:
    return a.get(stream, order, out, blocking) if isinstance(a, ndarray) else np.asarray(a, order=order)


def _holds_device_arrays(obj: Any) -> bool:
    if isinstance(obj, (list, tuple)):
        return any(map(_holds_device_arrays, obj))
    return isinstance(obj, ndarray)


# -- whatever differs from NumPy


def ascontiguousarray(a: ndarray, dtype: Any = None) -> ndarray:
    _expect_array("ascontiguousarray", a)
    own = a._memory  # not the array: what a graph repeats keeps none alive
    return compute(lambda: np.ascontiguousarray(own, dtype), a)  # of one axis at the least


def take(a: ndarray, indices: Any, axis: Any = None, out: Any = None) -> ndarray:
    _expect_array("take", a)
    return a.take(indices, axis, out)


def take_along_axis(a: ndarray, indices: ndarray, axis: int | None) -> ndarray:
    """Indices wrap into range, where NumPy raises IndexError."""
    _expect_array("take_along_axis", a, indices)
    own, places, size = a._memory, indices._memory, a.size if axis is None else a.shape[axis]
    return compute(lambda: np.take_along_axis(own, places % size, axis), a, indices, name="take_along_axis")


def where(condition: ndarray, x: Any = None, y: Any = None) -> Any:
    _expect_array("where", condition)
    if x is None and y is None:
        return condition.nonzero()
    for value in (x, y):
        if not isinstance(value, ndarray) and not is_scalar(value):
            raise TypeError(f"where: expected device arrays or numbers, got {type(value).__name__}")
    arguments = memory((condition, x, y))
    return compute(lambda: np.where(*arguments), condition, x, y, name="where")


def shape(a: Any) -> tuple[int, ...]:
    return a.shape if isinstance(a, ndarray) else np.shape(a)


def ndim(a: Any) -> int:
    return a.ndim if isinstance(a, ndarray) else np.ndim(a)


def result_type(*arrays_and_dtypes: Any) -> np.dtype:
    return np.result_type(*(a.dtype if isinstance(a, ndarray) else a for a in arrays_and_dtypes))


def may_share_memory(a: ndarray, b: ndarray, max_work: Any = None) -> bool:
    _expect_array("may_share_memory", a, b)
    return np.may_share_memory(a._memory, b._memory)


def shares_memory(a: ndarray, b: ndarray, max_work: Any = None) -> bool:
    _expect_array("shares_memory", a, b)
    return np.shares_memory(a._memory, b._memory)


def get_array_module(*args: Any) -> Any:
    return sys.modules["cupy"] if any(isinstance(arg, ndarray) for arg in args) else np


def as_strided(x: ndarray, shape: Any = None, strides: Any = None) -> ndarray:
    """CuPy's has no base: it is pointer arithmetic."""
    _expect_array("as_strided", x)
    view = wrap(np.lib.stride_tricks.as_strided(x._memory, shape, strides))
    view._allocation = x._allocation
    return view


def sliding_window_view(x: ndarray, window_shape: Any, axis: Any = None, *, subok: bool = False,
                        writeable: bool = False) -> ndarray:  # fmt: skip
    """CuPy copies the window's shape to the device and asks it back, once per axis."""
    _expect_array("sliding_window_view", x)
    if writeable:
        raise NotImplementedError("Writeable views are not supported.")
    record("uploads", "the window's shape in sliding_window_view")
    for _ in np.atleast_1d(window_shape):
        record("downloads", "a window's length in sliding_window_view")
    return wrap(np.lib.stride_tricks.sliding_window_view(x._memory, window_shape, axis))


def _expect_array(function: str, *arrays: Any) -> None:
    for value in arrays:
        if not isinstance(value, ndarray):
            raise TypeError(f"{function}: expected a device array, got {type(value).__module__}.{type(value).__name__}")


# -- what NumPy does in the same way

_WAITING = ("argwhere", "flatnonzero", "nonzero", "unique")
_PRODUCTS = ("dot", "einsum", "inner", "matmul", "tensordot", "vdot")
_JOINING = ("concat", "concatenate", "hstack", "stack", "vstack")


def _function(name: str, signature: inspect.Signature, of_arrays: bool) -> Callable[..., Any]:
    function = reduce(getattr, name.split("."), np)

    def call(*args: Any, **kwargs: Any) -> Any:
        given = bind(name, signature, args, kwargs)
        for position, (parameter, value) in enumerate(given.items()):
            check(name, parameter, value)
            if of_arrays and position == 0 and not isinstance(value, (ndarray, list, tuple)):
                raise TypeError(f"{name}: expected a device array, got {type(value).__module__}.{type(value).__name__}")
        if name in _WAITING:
            record("waits", f"{name}, for the size of the result")
        if name in _JOINING:
            _record_join(name, args[0] if args else kwargs["tup"])
        if name in _PRODUCTS:
            refuse_cublas(*args)
        arguments, keywords = memory(args), memory(kwargs)
        with np.errstate(all="ignore"):
            return compute(
                lambda: function(*arguments, **keywords),  # type: ignore[operator]
                *given.values(), *args, out=given.get("out", kwargs.get("out")), name=name,
            )  # fmt: skip

    call.__name__, call.__signature__ = name, signature  # type: ignore[attr-defined]
    return call


def _record_join(name: str, parts: Any) -> None:
    """More than 8 arrays of one type CuPy joins with one kernel, for which it uploads a table of their addresses."""
    small = sum(part.nbytes for part in parts) < len(parts) << 21
    if len(parts) > 8 and len({part.dtype for part in parts}) == 1 and small:
        record("uploads", f"the addresses of {len(parts)} arrays in {name}")


UFUNCS = {name: ufunc(name) for name in _names.words(_names.UFUNCS)}
TABLE = {
    name: _function(name, signature, of_arrays)
    for table, of_arrays in ((_names.CREATION, False), (_names.FUNCTIONS, True))
    for name, signature in _names.signatures(table).items()
}
"""By CuPy's names, also dotted ones."""
