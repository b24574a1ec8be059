"""A layer's parameters and gradients by name, and all of a network's in one vector."""

from collections.abc import Iterator, Mapping, MutableMapping
from operator import itemgetter
from typing import Any

from ..backend import Array, add_product, asarray, divided, matmul, moved, part, single_threaded_blas, xp


class Parameters(dict[str, Array]):
    """Named arrays of fixed shape. Assignment copies the values in, so that an array's place in memory stays."""

    def __missing__(self, key: str) -> Array:
        raise KeyError(f"no parameter {key!r}; there are {', '.join(self) or 'none'}")

    def __setitem__(self, key: str, value: Any) -> None:
        place = self[key]
        if value is place:
            return  # what `grads[key] += gradient` assigns: the sum was made in place already
        value = asarray(value, place.dtype)
        if value.shape != place.shape:
            raise ValueError(f"parameter {key!r}: expected shape {place.shape}, got {value.shape}")
        place[...] = value

    def __ior__(self, others: Any) -> "Parameters":  # type: ignore[override, misc]
        self.update(others)
        return self

    update = MutableMapping.update  # by assignment, each of them

    def copy(self) -> dict[str, Array]:
        """The arrays' values as they are now."""
        return {key: value.copy() for key, value in self.items()}

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)  # a copy starts empty, and assignment adds no names


class Gradients(Parameters):
    """The gradients of a layer's parameters.

    Writing zeros takes time: after :meth:`clear` an array that nobody has seen keeps its numbers, but whoever asks for
    it finds zeros, and :meth:`add_product`, if it comes first, overwrites them.

    Parts of a batch that run at the same time add to arrays of their own: the first part has the layer's gradients
    themselves, the others start from 0. Products wait for :meth:`collect`, where those of all parts are one.
    """

    def __init__(self, arrays: dict[str, Array]) -> None:
        super().__init__(arrays)
        self._seen: set[str] = set()  # whose array somebody may hold
        self._spent: set[str] = set()  # whose array counts as 0
        self._others: dict[int, dict[str, Array]] = {}
        self._factors: dict[str, list[tuple[int, Array, Array]]] = {}

    def __getitem__(self, key: str) -> Array:
        index = part()
        if index == 0:
            self._seen.add(key)
            return self._settled(key)
        own = self._others.setdefault(index, {})
        if key not in own:
            own[key] = xp.zeros_like(super().__getitem__(key))
        return own[key]

    def __iter__(self) -> Iterator[str]:
        return super().__iter__()  # so that dict(grads) asks for each array, as these do:

    items, values, get = Mapping.items, Mapping.values, Mapping.get  # type: ignore[assignment]
    setdefault = MutableMapping.setdefault

    def __repr__(self) -> str:
        return repr(dict(self))

    def add_product(self, key: str, a: Array, b: Array) -> None:
        """grads[key] += a @ b for matrices, to which nobody is to write afterwards."""
        if divided():
            self._factors.setdefault(key, []).append((part(), a, b))
        else:
            self._add(key, a, b)

    def _add(self, key: str, a: Array, b: Array) -> None:
        if key in self._spent:
            self._spent.remove(key)
            matmul(a, b, super().__getitem__(key))
        else:
            add_product(super().__getitem__(key), a, b)

    def clear(self) -> None:
        """Set the gradients to 0."""
        self._others.clear()  # an interrupted pass may have left parts
        self._factors.clear()
        for key, array in dict.items(self):
            if key in self._seen:
                array.fill(0)
            else:
                self._spent.add(key)

    def settle(self) -> None:
        """Write the zeros that are owed."""
        for key in tuple(self._spent):
            self._settled(key)

    def _settled(self, key: str) -> Array:
        array = super().__getitem__(key)
        if key in self._spent:
            self._spent.remove(key)
            array[...] = 0
        return array

    def collect(self) -> None:
        """Add up the parts, in their order."""
        for index in sorted(self._others):
            for key, array in self._others.pop(index).items():
                total = self._settled(key)  # not self[key], by which it would count as seen
                total += array
        factors, self._factors = self._factors, {}
        for key, products in factors.items():
            products.sort(key=itemgetter(0))  # each part's stay in their order
            _, first, second = zip(*products, strict=True)
            with single_threaded_blas():  # others would spin on the core that the next parts need
                self._add(key, xp.concatenate(first, axis=1), xp.concatenate(second))


def vector_of(group: Parameters) -> Array | None:
    """The array that the first of a layer's arrays is a view of."""
    return next(iter(dict.values(group))).base


def in_one_vector(groups: list[Parameters]) -> Array:
    """Copy the arrays of all groups into one new vector and make them views into it."""
    arrays = [array for group in groups for array in dict.values(group)]
    dtypes = sorted({str(array.dtype) for array in arrays})
    if len(dtypes) > 1:
        raise ValueError(f"the layers of one network have different dtypes: {', '.join(dtypes)}")
    flat = xp.concatenate([array.ravel() for array in arrays]) if arrays else xp.zeros(0, dtype="float32")
    start = 0
    for group in groups:
        for key, array in dict.items(group):
            dict.__setitem__(group, key, flat[start : start + array.size].reshape(array.shape))
            start += array.size
    moved()
    return flat
