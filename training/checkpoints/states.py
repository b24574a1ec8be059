"""The callbacks' states in a checkpoint: each is identified by its class, not by its position."""

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..callbacks import Callback
from .folder import CheckpointWarning


def states_of(callbacks: Sequence[Callback]) -> dict[str, Any]:
    """Their states by names, for :func:`put_back`."""
    return {name: one.state_dict() for name, one in _named(callbacks)}


def put_back(callbacks: Sequence[Callback], states: Mapping[str, Any], here: bool) -> None:
    """Restore the states from :func:`states_of`; CheckpointWarning if there is no callback for a state.

    ``here`` says whether callbacks that run on rank 0 only are in use.
    """
    named = dict(_named(callbacks))
    for name, one in named.items():
        if name in states and (here or one.everywhere):
            one.load_state_dict(states[name])
    for name in [name for name, state in states.items() if state and name not in named]:
        warnings.warn(f"the checkpoint has the state of a callback that the run lacks: {name}", CheckpointWarning, 2)


def _named(callbacks: Sequence[Callback]) -> Iterator[tuple[str, Callback]]:
    count = Counter[str]()
    for one in callbacks:
        name = type(one).__name__
        count[name] += 1
        yield name if count[name] == 1 else f"{name} {count[name]}", one
