"""The device array: a NumPy array behind a border that lets through what CuPy lets through."""

import inspect
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from . import _streams
from ._memory import Allocation, allocate, is_pinned, thread
from ._names import METHODS, signatures
from .stand_in import happened, launched, record

# Parameters that take whole numbers in a list or tuple, and parameters that take several arrays.
_NUMBERS = {
    "shape", "newshape", "axis", "axes", "source", "destination", "reps", "shift", "indices_or_sections", "pad_width",
    "dimensions",
}  # fmt: skip
_GROUPS = {"tup", "args", "arys", "operands"}


class ndarray:  # noqa: N801 (CuPy's name)
    """As ``cupy.ndarray``, whose memory the host cannot reach but by a counted copy."""

    __slots__ = ("_allocation", "_base", "_memory")
    __module__ = "cupy"
    __array_ufunc__ = None  # NumPy's operators hand over to this class's own; NumPy's ufuncs raise TypeError
    __array_priority__ = 100

    _memory: np.ndarray
    _base: "ndarray | None"
    _allocation: Allocation

    def __init__(
        self, shape: Any, dtype: Any = float, memptr: Any = None, strides: Any = None, order: str = "C"
    ) -> None:
        if memptr is not None or strides is not None:
            raise NotImplementedError("the stand-in has no pointers to device memory")
        check_dtype(np.dtype(dtype))
        self._memory, self._base = np.empty(shape, dtype, order), None  # type: ignore[call-overload]
        self._allocation = allocate(self._memory.nbytes)

    # -- what is known on the host without asking the device

    shape = property(lambda self: self._memory.shape)
    strides = property(lambda self: self._memory.strides)
    dtype = property(lambda self: self._memory.dtype)
    ndim = property(lambda self: self._memory.ndim)
    size = property(lambda self: self._memory.size)
    nbytes = property(lambda self: self._memory.nbytes)
    itemsize = property(lambda self: self._memory.itemsize)
    base = property(lambda self: self._base)
    T = property(lambda self: wrap(self._memory.T, self))
    mT = property(lambda self: wrap(self._memory.mT, self))  # noqa: N815 (CuPy's name)
    real = property(lambda self: wrap(self._memory.real, self))
    imag = property(lambda self: wrap(self._memory.imag, self))

    @property
    def data(self) -> Any:
        """The address, for libraries that are called with it."""
        return SimpleNamespace(ptr=self._memory.ctypes.data)

    @property
    def flags(self) -> "Flags":
        return Flags(self)

    @property
    def device(self) -> Any:
        from .cuda import Device

        return Device()

    def __len__(self) -> int:
        return len(self._memory)

    def __iter__(self) -> Iterator["ndarray"]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    # -- to the host

    def get(self, stream: Any = None, order: Any = "C", out: Any = None, blocking: bool = True) -> np.ndarray:
        record("downloads", f"{self.dtype} {self.shape}")
        if out is None:
            return self._memory.copy(order)
        np.copyto(out, self._memory, casting="no")
        return out

    def item(self) -> Any:
        return self.get().item()

    def tolist(self) -> Any:
        return self.get().tolist()

    def tobytes(self, order: Any = "C") -> bytes:
        return self.get().tobytes(order)

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(f"The truth value of an array with {self.size} elements is ambiguous. Use any() or all()")
        return bool(self.get())

    def __int__(self) -> int:
        return int(self.get())

    def __float__(self) -> float:
        return float(self.get())

    def __complex__(self) -> complex:
        return complex(self.get())

    def __repr__(self) -> str:
        return repr(self.get())

    def __str__(self) -> str:
        return str(self.get())

    def __format__(self, spec: str) -> str:
        return format(self.get(), spec)

    def __reduce__(self) -> Any:
        from ._functions import array

        return array, (self.get(order="A"),)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        raise TypeError(f"numpy.{function.__name__} of a device array: xp.{function.__name__} is meant")

    # -- operators; those of one form are set below

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: Any) -> Any:
        """Nothing is equal to None, as CuPy too has it."""
        return wrap(np.zeros(self.shape, bool)) if other is None else _operator(np.equal)(self, other)

    def __ne__(self, other: Any) -> Any:
        return wrap(np.ones(self.shape, bool)) if other is None else _operator(np.not_equal)(self, other)

    def __matmul__(self, other: Any) -> "ndarray":
        """There is no in-place form: CuPy has none, so that ``a @= b`` makes a new array."""
        return _matmul(self, other)

    def __rmatmul__(self, other: Any) -> "ndarray":
        return _matmul(other, self)

    # -- from the host

    def set(self, arr: np.ndarray, stream: Any = None) -> None:
        """From pinned memory on a stream of its own the copy is made as late as CUDA allows."""
        if arr.dtype != self.dtype or arr.shape != self.shape:
            raise ValueError(f"set: expected {self.dtype} {self.shape}, got {arr.dtype} {arr.shape}")
        record("uploads", f"{arr.dtype} {arr.shape}")
        stream = stream or _streams.get_current_stream()
        happened("copy", stream)
        if stream.ptr == 0 or not is_pinned(arr):
            self._memory[...] = arr
        else:
            scribble(self._memory)
            memory = self._memory
            stream.later(lambda: np.copyto(memory, arr))

    # -- on the device

    def __copy__(self) -> "ndarray":
        return compute(self._memory.copy, self)

    def __deepcopy__(self, memo: Any) -> "ndarray":
        return compute(self._memory.copy, self)

    def fill(self, value: Any) -> None:
        self[...] = value

    def nonzero(self) -> tuple["ndarray", ...]:
        record("waits", "nonzero, for the size of the result")
        return wrap(self._memory.nonzero())

    def take(self, indices: Any, axis: Any = None, out: Any = None) -> "ndarray":
        check("take", "indices", indices)
        own, places, into = self._memory, memory(indices), memory(out)
        return compute(
            lambda: np.asarray(np.take(own, places, axis, into, mode="wrap")), self, indices, out=out, name="take"
        )

    def __getitem__(self, key: Any) -> "ndarray":
        index, arrays = self._index(key)
        if not arrays:
            return wrap(self._memory[(*index, *([] if Ellipsis in index else [Ellipsis]))], self)
        if any(array.dtype.kind == "b" for array in arrays):
            record("waits", "a masked selection, for the size of the result")
        own = self._memory
        return compute(lambda: np.array(own[inside(index)]), *_devices(key), self, name="take")

    def __setitem__(self, key: Any, value: Any) -> None:
        check_operand("assignment", value)
        index, arrays = self._index(key)
        masked = any(array.dtype.kind == "b" for array in arrays)
        if masked:
            record("waits", "a masked assignment, for the number of places")
        if arrays and not isinstance(value, ndarray):
            record("uploads", "the scalar in an assignment to indexed places")
        own, given = self._memory, memory(value)
        once = arrays and not masked and isinstance(value, ndarray) and value.size > 1

        def assign() -> None:
            places = np.arange(own.size).reshape(own.shape)[inside(index)] if once else np.empty(0)
            if np.unique(places).size < places.size:
                raise ValueError("assignment to the same place twice: which value stays is undefined on a device")
            own[inside(index)] = given

        launched("assignment")
        _streams.run(assign, *allocations(self, value, *_devices(key)))

    def _index(self, key: Any) -> tuple[tuple[Any, ...], list[np.ndarray]]:
        """The key for the NumPy array, whole numbers in arrays wrapped into range as CuPy does; and these arrays."""
        items = key if isinstance(key, tuple) else (key,)
        arrays = []
        lengths = [item.ndim if isinstance(item, ndarray) and item.dtype.kind == "b" else 1 for item in items]
        used = sum(length for item, length in zip(items, lengths, strict=True) if item is not None and item is not ...)
        index: list[Any] = []
        axis = 0
        for item, length in zip(items, lengths, strict=True):
            if isinstance(item, ndarray):
                size = self.shape[axis] if axis < self.ndim else 0
                arrays.append(item._memory)
                index.append(Wrapped(item._memory, size) if item.dtype.kind in "iu" and size else item._memory)
            elif item is None or isinstance(item, (slice, type(...))) or _is_whole(item):
                index.append(item)
            else:
                raise TypeError(
                    f"an index of type {_type(item)}: CuPy would copy it to the device without a word; "
                    "xpnn.asarray makes a device array"
                )
            axis += self.ndim - used if item is ... else 0 if item is None else length
        return tuple(index), arrays


class Wrapped:
    """Whole numbers as an index, wrapped into range; read when the operation is done."""

    def __init__(self, numbers: np.ndarray, size: int) -> None:
        self.numbers, self.size = numbers, size


def inside(index: tuple[Any, ...]) -> tuple[Any, ...]:
    """The index for NumPy."""
    return tuple(item.numbers % item.size if isinstance(item, Wrapped) else item for item in index)


def _devices(key: Any) -> list["ndarray"]:
    """The device arrays in an index."""
    return [item for item in (key if isinstance(key, tuple) else (key,)) if isinstance(item, ndarray)]


class Flags:
    """As ``cupy.ndarray.flags``."""

    def __init__(self, array: ndarray) -> None:
        flags = array._memory.flags
        self.c_contiguous, self.f_contiguous = flags.c_contiguous, flags.f_contiguous
        self.owndata = array._base is None
        self.forc, self.fnc = flags.forc, flags.fnc

    def __getitem__(self, name: str) -> bool:
        return bool(getattr(self, name.lower()))


# -- across the border


def memory(value: Any) -> Any:
    """The NumPy array behind a device array, also inside lists, tuples and dicts; anything else as it is."""
    if isinstance(value, ndarray):
        return value._memory
    if isinstance(value, (list, tuple)):
        return type(value)(map(memory, value))
    if isinstance(value, dict):
        return {key: memory(item) for key, item in value.items()}
    return value


def wrap(result: Any, *sources: Any) -> Any:
    """NumPy's result as CuPy's: device arrays, 0-d ones for scalars; a source itself where NumPy gave that back.

    Args:
        result: what NumPy returned.
        sources: what went in; the device arrays among it may share their memory with the result.
    """
    if isinstance(result, (tuple, list)):
        return type(result)(wrap(item, *sources) for item in result)
    for source in sources:
        if isinstance(source, ndarray) and source._memory is result:
            return source
    array = np.asarray(result)
    check_dtype(array.dtype)
    view = object.__new__(ndarray)
    view._memory, view._base = array, None
    for source in sources if _owner(array) is not array else ():
        if isinstance(source, ndarray) and _owner(source._memory) is _owner(array):
            view._base = source if source._base is None else source._base
            view._allocation = source._allocation
    if view._base is None:
        view._allocation = allocate(array.nbytes)
    return view


def compute(function: Callable[[], Any], *sources: Any, out: Any = None, name: str = "copy") -> Any:
    """An operation on the device that gives arrays: now, and again whenever a graph that captured it is launched.

    Args:
        function: of NumPy arrays; it reads no other host data.
        sources: what goes in, as for :func:`wrap`.
        out: what the function writes to, where it does.
        name: under which it is counted, unless it gives but views or memory as it is.
    """
    for one in allocations(*sources, out):
        if one.device != thread.device:
            raise ValueError(f"the array is on device {one.device}, and the current device is {thread.device}")
    capture = _streams.capturing()
    if isinstance(out, ndarray):
        launched(name)
    if capture is None:
        result = wrap(function(), *sources, out)
        if not isinstance(out, ndarray) and name not in ("empty", "empty_like") and _new(result, sources):
            launched(name)
        return result
    if isinstance(out, ndarray):
        capture.note(function, allocations(*sources, out))
        return out
    with np.errstate(all="ignore"):
        result = wrap(function(), *sources)  # for the shapes; nothing is computed yet
    for number, made in enumerate(result if isinstance(result, (tuple, list)) else [result]):
        if any(made is source for source in sources) or made._base is not None:
            continue
        scribble(made._memory)
        capture.note(_again(function, number, made._memory), allocations(made, *sources))
    if name not in ("empty", "empty_like") and _new(result, sources):
        launched(name)
    return result


def _new(result: Any, sources: Any) -> bool:
    """Whether an array among the results has memory of its own."""
    made = result if isinstance(result, (tuple, list)) else [result]
    return any(one._base is None and all(one is not source for source in sources) for one in made)


def _again(function: Callable[[], Any], number: int, target: np.ndarray) -> Callable[[], None]:
    def operation() -> None:
        results = function()
        np.copyto(target, results[number] if isinstance(results, (tuple, list)) else results)

    return operation


def allocations(*values: Any) -> list[Allocation]:
    """Of the device arrays among the values, also inside lists and tuples."""
    found = []
    for value in values:
        if isinstance(value, ndarray):
            found.append(value._allocation)
        elif isinstance(value, (list, tuple)):
            found += allocations(*value)
    return found


def scribble(array: np.ndarray) -> None:
    """Leave bytes that mean nothing: whoever reads them has not waited, or has not launched."""
    array[...] = np.frombuffer(b"\xa5" * array.itemsize, array.dtype)[0] if array.dtype.kind != "b" else True


def check_dtype(dtype: np.dtype) -> None:
    """Raise ValueError for what CuPy has no arrays of: float128, texts, and the other byte order among them."""
    if dtype.char not in "?bhilqBHILQefdFD":
        raise ValueError(f"Unsupported dtype {dtype}")
    if not dtype.isnative:
        raise ValueError(f"Unsupported dtype {dtype.str} with big-endian byte-order")


def check(function: str, parameter: str, value: Any) -> None:
    """Raise TypeError for host data where a device array belongs."""
    if isinstance(value, np.ndarray):
        raise TypeError(f"{function}: {parameter} is a numpy.ndarray: xpnn.asarray makes a device array of it")
    if isinstance(value, ndarray) and parameter in _NUMBERS:
        raise TypeError(f"{function}: {parameter} is a device array, where the host needs whole numbers")
    if isinstance(value, (list, tuple)):
        for item in value:
            check(function, parameter, item)
            if parameter in _GROUPS and not isinstance(item, (ndarray, str)):
                raise TypeError(f"{function}: expected device arrays, got {_type(item)} among them")
        if parameter not in _NUMBERS | _GROUPS:
            raise TypeError(f"{function}: {parameter} is a {_type(value)}, which would be copied to the device")


def check_operand(function: str, value: Any) -> None:
    """Raise TypeError unless the value is a device array, or a scalar, which travels with the kernel's arguments."""
    if not isinstance(value, ndarray) and not is_scalar(value):
        raise TypeError(f"{function}: expected a device array or a number, got {_type(value)}")


def is_scalar(value: Any) -> bool:
    return type(value) in (bool, int, float, complex) or isinstance(value, np.generic)


def bind(name: str, signature: inspect.Signature, args: Any, kwargs: Any) -> dict[str, Any]:
    """The arguments by name; TypeError, as from CuPy, where the signature has no place for one."""
    try:
        return signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        raise TypeError(f"{name}() {error}") from None


def elementwise(function: Any, inputs: Any, out: Any = None, **keywords: Any) -> Any:
    """A ufunc of device arrays and scalars. CuPy never warns of overflow or invalid values."""
    for value in inputs:
        check_operand(function.__name__, value)
    if out is not None and not isinstance(out, ndarray):
        raise TypeError(f"{function.__name__}: out is no device array but a {_type(out)}")
    arrays, into = memory(inputs), memory(out)
    with np.errstate(all="ignore"):
        return compute(lambda: function(*arrays, out=into, **keywords), *inputs, out=out, name=function.__name__)


def _owner(array: np.ndarray) -> np.ndarray:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _type(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__name__}".removeprefix("builtins.")


# -- methods and operators


def _matmul(a: Any, b: Any) -> Any:
    for value in (a, b):
        if not isinstance(value, ndarray):
            raise TypeError(f"matmul: expected device arrays, got {_type(value)}")
    refuse_cublas(a, b)
    with np.errstate(all="ignore"):
        return compute(lambda: np.matmul(a._memory, b._memory), a, b, name="matmul")


def refuse_cublas(*arrays: Any) -> None:
    """As CuPy 14 does while a stream is capturing; the product of two vectors needs no cuBLAS."""
    if _streams.capturing() is not None and any(isinstance(array, ndarray) and array.ndim > 1 for array in arrays):
        raise NotImplementedError("calling cuBLAS API during stream capture is currently unsupported")


def _method(name: str, signature: inspect.Signature) -> Callable[..., Any]:
    def method(self: ndarray, *args: Any, **kwargs: Any) -> Any:
        given = bind(name, signature, (self, *args), kwargs)
        for parameter, value in given.items():
            check(name, "shape" if parameter in ("shape", "axes") else parameter, value)
        if name == "dot":
            refuse_cublas(self, given["b"])
        arguments, keywords, own = memory(args), memory(kwargs), self._memory
        if name == "sort":  # in place
            return _streams.run(lambda: own.sort(*arguments, **keywords), self._allocation)
        with np.errstate(all="ignore"):
            return compute(
                lambda: getattr(own, name)(*arguments, **keywords),
                self,
                *given.values(),
                out=given.get("out"),
                name=name,
            )

    method.__name__, method.__signature__ = name, signature  # type: ignore[attr-defined]
    return method


def _operator(function: Any, reflected: bool = False, in_place: bool = False) -> Callable[..., Any]:
    def operate(self: ndarray, other: Any) -> Any:
        if isinstance(other, np.ndarray) or is_scalar(other) or isinstance(other, ndarray) or in_place:
            inputs = (other, self) if reflected else (self, other)
            return elementwise(function, inputs, self if in_place else None)
        return NotImplemented

    return operate


_BINARY: dict[str, Any] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide, "floordiv": np.floor_divide,
    "mod": np.remainder, "pow": np.power, "lshift": np.left_shift, "rshift": np.right_shift, "and": np.bitwise_and,
    "or": np.bitwise_or, "xor": np.bitwise_xor,
}  # fmt: skip
_COMPARING: dict[str, Any] = {"lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal}
_UNARY: dict[str, Any] = {"neg": np.negative, "pos": np.positive, "abs": np.absolute, "invert": np.invert}

for _name, _function in _BINARY.items():
    setattr(ndarray, f"__{_name}__", _operator(_function))
    setattr(ndarray, f"__r{_name}__", _operator(_function, reflected=True))
    setattr(ndarray, f"__i{_name}__", _operator(_function, in_place=True))
for _name, _function in _COMPARING.items():
    setattr(ndarray, f"__{_name}__", _operator(_function))
for _name, _function in _UNARY.items():
    setattr(ndarray, f"__{_name}__", lambda self, function=_function: elementwise(function, (self,)))
for _name, _signature in signatures(METHODS).items():
    setattr(ndarray, _name, _method(_name, _signature))
