"""Checks that all ranks of a run get the same arguments and data, and keep the same parameters."""

import hashlib
import platform
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..backend import ALONE, RankError, Ranks, describe, to_numpy
from ..layers import Layer
from .checkpoints.generators import generators_in, put_back, states_of
from .optimizer import Optimizer
from .sources import Source

_SETTINGS = (
    "loss", "epochs", "batch_size", "validation_split", "class_weight", "accumulate", "drop_last", "shuffle", "rng",
    "max_norm", "metrics", "on_nonfinite", "synchronized",
)  # fmt: skip
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def ranks_given(ranks: Ranks | None) -> Ranks:
    """These ranks, or for None a single rank.

    Raises:
        TypeError: they are not ranks.
    """
    if not isinstance(ranks, Ranks | None):
        raise TypeError(f"fit: expected ranks=mpi(), got {ranks!r}")
    return ranks or ALONE


def seed_of(ranks: Ranks, rng: Any) -> Any:
    """The seed or generator of the shuffles; without one, several ranks need a common one."""
    alone = ranks.size == 1 or rng is not None
    return rng if alone else ranks.gather(np.random.SeedSequence().entropy)[0]


def begin_alike(
    ranks: Ranks, model: Layer, optimizer: Optimizer, data: Mapping[str, Source | None], given: Mapping[str, Any]
) -> None:
    """Compare the ranks' arguments and data, then give all ranks rank 0's parameters, state and mask generators.

    Raises:
        ValueError: a rank has other arguments, data or versions than rank 0; the message shows both.
    """
    if ranks.size == 1:
        return
    every = ranks.gather(_told(model, optimizer, data, {**given, "synchronized": ranks.synchronized}))
    for rank, others in enumerate(every):
        for name, value in every[0].items():
            if others[name] != value:
                what = _both(others[name], value)
                raise ValueError(f"fit: {ranks.name(rank)} has another {name} than rank 0: {what}")
    ranks.broadcast(model.flat_params, *model.buffers.values(), *optimizer.state(model.flat_params).values())
    masks = generators_in({"model": model})
    for name, state in ranks.gather(states_of(masks))[0].items():
        put_back(masks[name], state)


def _told(
    model: Layer, optimizer: Optimizer, data: Mapping[str, Source | None], given: Mapping[str, Any]
) -> dict[str, str]:
    """Everything that must be the same on all ranks."""
    from .. import __version__

    told: dict[str, Any] = {"Python": platform.python_version(), "xpnn": __version__, "backend": describe()}
    told["model"] = f"{model!r} {model.dtype} {[array.shape for array in model.params.values()]}"
    told["choice of frozen layers"] = [path for path, leaf in model.leaves() if not leaf.trainable]
    told["optimizer"] = f"{optimizer!r} after {optimizer.steps} steps"
    told |= {name: getattr(given[name], "bit_generator", given[name]) for name in _SETTINGS}
    told["number of past epochs"] = len(given["history"] or ())
    told["rng"] = getattr(told["rng"], "state", told["rng"])
    told |= {f"{name} (checksum)": source and source.fingerprint() for name, source in data.items()}  # with weights
    return {name: _ADDRESS.sub("", str(value)) for name, value in told.items()}


def _both(a: str, b: str) -> str:
    """The two values, from the place where they first differ."""
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), 0)
    start = 0 if start < 60 else start - 20
    return f"{a[start : start + 120]} and {b[start : start + 120]}"


def agree(ranks: Ranks, model: Layer, row: dict[str, Any]) -> dict[str, Any]:
    """Compare the parameters and buffers of all ranks after an epoch, and return rank 0's row of the history.

    Raises:
        RankError: they differ.
    """
    if ranks.size == 1:
        return row
    digest = hashlib.blake2b(digest_size=16)
    for array in (model.flat_params, *model.buffers.values()):
        digest.update(np.ascontiguousarray(to_numpy(array)).data)
    every = ranks.gather((digest.digest(), row))
    for rank, (other, _) in enumerate(every):
        if other != every[0][0]:
            raise RankError(f"fit: {ranks.name(rank)} has come to other parameters than rank 0")
    return every[0][1]


def average(ranks: Ranks, model: Layer) -> None:
    """Replace the running estimates by their mean over the ranks, if each rank's are of its own shares alone."""
    if ranks.size > 1 and not ranks.synchronized:
        buffers = list(model.buffers.values())
        ranks.allreduce(*buffers)
        for array in buffers:
            array /= ranks.size
