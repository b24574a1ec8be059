"""A layer's parameters and gradients by name, and one vector that holds those of a whole network."""

from collections.abc import MutableMapping
from typing import Any

from ..backend import Array, Params, asarray, xp


class Parameters(dict[str, Array]):
    """Named arrays of fixed shape. Assignment copies the values in place, so that each array stays where it is."""

    def __missing__(self, key: str) -> Array:
        raise KeyError(f"no parameter {key!r}; there are {', '.join(self) or 'none'}")

    def __setitem__(self, key: str, value: Any) -> None:
        place = self[key]
        if value is place:
            return  # `grads[key] += gradient` has added in place and assigns the same array
        value = asarray(value, place.dtype)
        if value.shape != place.shape:
            raise ValueError(f"parameter {key!r}: expected shape {place.shape}, got {value.shape}")
        place[...] = value

    def __ior__(self, others: Any) -> "Parameters":  # type: ignore[override, misc]
        self.update(others)
        return self

    update = MutableMapping.update  # dict's own would bypass __setitem__
    setdefault = MutableMapping.setdefault

    def copy(self) -> dict[str, Array]:
        """A dict of copies of the arrays."""
        return {key: value.copy() for key, value in self.items()}

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)  # by default, pickle sets items of an empty copy, which __setitem__ refuses


def with_biases(arrays: Params, **sizes: int) -> Params:
    """A layer's parameters or gradients, with new zeros of these sizes for the biases that it lacks."""
    if sizes.keys() <= arrays.keys():
        return arrays
    dtype = next(iter(arrays.values())).dtype
    return {key: xp.zeros(size, dtype=dtype) for key, size in sizes.items()} | dict(arrays.items())


class Gradients(Parameters):
    """The gradients of a layer's parameters, under the same names."""

    def clear(self) -> None:
        """Set every gradient to 0."""
        for array in self.values():
            array.fill(0)


def vector_of(group: Parameters) -> Array | None:
    """The vector that a layer's first array is a view of, or None."""
    return next(iter(group.values())).base


def in_one_vector(groups: list[Parameters]) -> Array:
    """Copy the arrays of all groups into one new vector and make them views into it."""
    arrays = [array for group in groups for array in group.values()]
    dtypes = sorted({str(array.dtype) for array in arrays})
    if len(dtypes) > 1:
        raise ValueError(f"the layers of one network have different dtypes: {', '.join(dtypes)}")
    flat = xp.concatenate([array.ravel() for array in arrays]) if arrays else xp.zeros(0, dtype="float32")
    start = 0
    for group in groups:
        for key, array in group.items():
            dict.__setitem__(group, key, flat[start : start + array.size].reshape(array.shape))
            start += array.size
    return flat
