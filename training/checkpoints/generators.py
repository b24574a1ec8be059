"""Find the random generators of a run, and save and restore their states."""

import functools
import inspect
import random
from collections.abc import Iterator, Mapping
from itertools import islice
from types import FunctionType, MethodType
from typing import Any

import numpy as np

from ...layers import Layer

_DEPTH = 8  # of attributes, items and variables
_SEEDS = "entropy", "spawn_key", "n_children_spawned"  # not pool_size, since seeding takes time quadratic in it
_ITEMS = 1000  # of a list, the most that are searched: it may be the data


def generators_in(roots: Mapping[str, Any]) -> dict[str, Any]:
    """All generators that these objects hold, by the path of attributes, items and variables to each.

    Generators are both kinds of NumPy's, Python's and PyTorch's. The search goes through layers, lists, tuples, dicts,
    the attributes of other objects, and a function's closure and global variables. It finds those of Dropout,
    ``Augmented``, ``batches(..., rng=)`` and of a function that returns such batches.
    """
    found: dict[str, Any] = {}
    seen: set[int] = set()

    def look(path: str, value: Any, depth: int) -> None:
        if _is_generator(value):
            found[path] = value
        elif depth and id(value) not in seen:
            seen.add(id(value))
            for name, inner in _inside(value):
                look(f"{path}.{name}", inner, depth - 1)

    for name, root in roots.items():
        look(name, root, _DEPTH)
    return found


def _is_generator(value: Any) -> bool:
    kinds = np.random.Generator, np.random.RandomState, random.Random
    if isinstance(value, random.SystemRandom):  # has no state
        return False
    return isinstance(value, kinds) or (type(value).__module__, type(value).__name__) == ("torch._C", "Generator")


def _inside(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, Layer):
        yield from value.children()
        yield from ((name, one) for name, one in vars(value).items() if _is_generator(one))
    elif isinstance(value, Mapping):
        yield from islice(value.items(), _ITEMS)
    elif isinstance(value, list | tuple):
        yield from enumerate(value[:_ITEMS])
    elif isinstance(value, FunctionType):
        around = inspect.getclosurevars(value)
        yield from (*around.nonlocals.items(), *around.globals.items())
    elif isinstance(value, MethodType):
        yield "self", value.__self__
    elif isinstance(value, functools.partial):
        yield from {"func": value.func, "args": value.args, "keywords": value.keywords}.items()
    elif hasattr(value, "__dict__") and not isinstance(value, type) and not inspect.ismodule(value):
        yield from vars(value).items()


def state_of(generator: Any) -> dict[str, Any]:
    """Everything a generator needs to continue: its own state, and the number of generators spawned from it."""
    if isinstance(generator, random.Random):
        return {"python": generator.getstate()}
    if isinstance(generator, np.random.RandomState):
        return {"legacy": generator.get_state(legacy=False)}
    if not isinstance(generator, np.random.Generator):
        return {"torch": generator.get_state().numpy()}
    bits: Any = generator.bit_generator
    spawned = {key: getattr(bits.seed_seq, key, None) for key in _SEEDS}
    return {"bits": bits.state, "spawned": spawned}


def states_of(found: Mapping[str, Any]) -> dict[str, Any]:
    """The states of generators, by their names."""
    return {name: state_of(generator) for name, generator in found.items()}


def put_back(generator: Any, state: Mapping[str, Any]) -> None:
    """Restore a generator's state.

    Raises:
        ValueError: the state is that of another kind of generator, or no state at all.
    """
    kind = type(getattr(generator, "bit_generator", generator)).__name__
    try:
        if isinstance(generator, random.Random):
            version, internal, gauss = state["python"]
            generator.setstate((version, tuple(internal), gauss))
        elif isinstance(generator, np.random.RandomState):
            generator.set_state(state["legacy"])
        elif not isinstance(generator, np.random.Generator):
            tensor = generator.get_state()
            tensor.numpy()[...] = state["torch"]
            generator.set_state(tensor)
        else:
            seeds = np.random.SeedSequence(**{key: state["spawned"][key] for key in _SEEDS})
            bits: Any = generator.bit_generator
            bits.__setstate__((state["bits"], seeds))
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, RuntimeError) as error:
        raise ValueError(f"expected the state of a {kind} generator ({error})") from error
