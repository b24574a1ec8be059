"""Interpret the arguments of ``fit``, ``evaluate`` and ``predict``: the source of data, and the like."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..layers import Layer
from ..layers.lengths import may_have_steps
from ..models import Graph
from .adam import Adam
from .batch import Steps
from .columns import Lazy, Sequences, check_steps, columns, inputs_given, inputs_of, lengths_of, like_an_array, of_batch
from .history import History
from .inputs import named
from .optimizer import Optimizer
from .sources import InMemory, Rows, Source
from .stream import Stream


def source_of(
    caller: str, model: Layer, x: Any, y: Any = None, weights: Any = None, lengths: Any = None, targets: bool = True
) -> Source:
    """The source of the user's data: arrays or what can be converted to them, or batches in x and None for the others.

    ``targets`` says whether targets are required; errors name the caller.
    """
    if targets and (model.gives or (isinstance(model, Graph) and len(model.outputs) > 1)):
        raise ValueError(
            f"{caller}: expected a network of one output, got {type(model).__name__} with several: its forward returns "
            "all, and its backward takes a gradient for each"
        )
    if y is None and (targets or not (like_an_array(x) or isinstance(x, Mapping))):
        if weights is not None or lengths is not None:
            raise ValueError(
                f"{caller}: weights and lengths are for arrays: give a batch's weights in the batch, (x, y, weights)"
            )
        return _of_batches(caller, model, x, targets)
    xs = inputs_given(caller, x, inputs_of(model))
    if any(one is None for one in xs):
        raise TypeError(f"{caller}: expected arrays x and y, or batches (x, y), got None for x")
    made = columns(caller, [data for data in (*xs, y, weights) if data is not None], len(xs))
    lengths = lengths_of(made[: len(xs)]) if lengths is None else lengths
    if lengths is None and (sequences := [one for one in made if isinstance(one, Sequences)]):
        lengths = sequences[0].lengths
    if lengths is None and not any(isinstance(one, Lazy) for one in made):
        return InMemory(caller, model, made)
    for name, one in named(made, len(xs)):
        if len(one) != len(made[0]):
            raise ValueError(f"{caller}: x has {len(made[0])} samples, {name} has {len(one)}")
    labels = made[len(xs)] if len(made) > len(xs) else None
    labels = labels if isinstance(labels, np.ndarray) else None
    steps = None if lengths is None else _steps(caller, model, made[: len(xs)], lengths)
    source = Rows(caller, model, len(made[0]), lambda rows: [one[rows] for one in made], labels, steps)
    check_steps(caller, made, len(xs), steps)
    return source


def _steps(caller: str, model: Layer, inputs: Sequence[Any], lengths: Any) -> Steps:
    """The lengths as the model takes them, given for each input or for all inputs that may have steps."""
    names = inputs_of(model)
    if len(inputs) == 1:
        return np.asarray(lengths)
    if isinstance(lengths, Mapping) and lengths.keys() <= set(names):
        lengths = tuple(map(lengths.get, names))
    if isinstance(lengths, Mapping) or (isinstance(lengths, tuple) and len(lengths) != len(names)):
        raise ValueError(f"{caller}: expected lengths, or None, for each of the inputs {', '.join(names)}")
    if not isinstance(lengths, tuple):
        lengths = [lengths if may_have_steps(one[:1]) else None for one in inputs]
    return tuple(None if one is None else np.asarray(one) for one in lengths)


def _of_batches(caller: str, model: Layer, given: Any, targets: bool) -> Source:
    """A source that reads batches, or a data set whose rows have named columns."""
    if hasattr(given, "column_names") and hasattr(given, "__len__"):

        def take(rows: Any) -> Sequence[Any]:
            chosen = range(*rows.indices(len(given))) if isinstance(rows, slice) else rows.tolist()
            return columns(caller, of_batch(caller, given[list(chosen)], targets), 1)

        return Rows(caller, model, len(given), take)
    if isinstance(given, Layer | Mapping) or not (
        callable(given) or hasattr(given, "__iter__") or hasattr(given, "__getitem__")
    ):
        raise TypeError(f"{caller}: expected arrays x and y, or batches (x, y), got {type(given).__name__}")
    if like_an_array(given) and not isinstance(given, list | tuple):
        raise ValueError(f"{caller}: x is an array, so y must be given")
    return Stream(caller, model, given, targets)


def validation_of(model: Layer, validation: Any) -> tuple[Any, ...]:
    """x and y, and weights and lengths if there are any; or the batches alone."""
    arrays = isinstance(validation, tuple | list)
    if arrays and validation and isinstance(first := validation[0], tuple):  # several inputs, or a batch's x and y
        inputs = len(inputs_of(model))
        arrays = len(first) == inputs > 1 and not any(isinstance(one, tuple | Mapping) for one in first)
    if arrays and len(validation) not in (2, 3, 4):
        raise ValueError(f"fit: validation: expected x, y, weights, lengths, or batches, got {len(validation)} of them")
    return tuple(validation) if arrays else (validation,)


def of_a_run(
    optimizer: Optimizer | None, history: History | None, on_epoch_end: Any = None
) -> tuple[Optimizer, History]:
    """The arguments given, or their defaults; TypeError if one is of a wrong type."""
    if on_epoch_end is not None and not callable(on_epoch_end):
        raise TypeError(f"fit: expected on_epoch_end to be a function of the history, got {on_epoch_end!r}")
    optimizer = optimizer or Adam()
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"fit: expected an optimiser, such as SGD(0.1), got {optimizer!r}")
    history = History() if history is None else history
    if not isinstance(history, History):
        raise TypeError(f"fit: expected a History that an earlier call returned, got {type(history).__name__}")
    return optimizer, history
