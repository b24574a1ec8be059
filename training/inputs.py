"""Checks of the loop's arguments and data, before the first step or as each batch is read."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from ..backend import Array, xp
from ..backend.border import Indices
from ..backend.shared.data import not_finite, on_host
from ..data.weights import class_weights
from ..layers import BinaryCrossEntropy, HalfSquaredError, Layer, Loss, Sigmoid, Softmax, SoftmaxCrossEntropy
from ..layers.base import of_several
from ..layers.losses.base import spread
from ..layers.losses.elementwise import ElementwiseLoss

T = TypeVar("T")

HINTS = {
    "U": ": np.unique(y, return_inverse=True)[1] turns texts into labels, xpnn.load_table into features",
    "V": ": np.stack([x[name] for name in x.dtype.names], 1) joins the columns of records",
}
"""Advice for data that are not numbers, by the kind of their dtype."""


def check_model(caller: str, model: Any) -> None:
    """Raise TypeError unless the model is a network."""
    if not isinstance(model, Layer):
        raise TypeError(f"{caller}: expected a network, got {model!r}")


def named(arrays: Iterable[T], inputs: int) -> Iterator[tuple[str, T]]:
    """A batch's arrays, which begin with this many inputs, with their names for errors."""
    xs = ["x"] if inputs == 1 else [f"x[{i}]" for i in range(inputs)]
    return zip((*xs, "y", "weights"), arrays, strict=False)


def check_arrays(
    caller: str, arrays: Sequence[Array], inputs: int, dtype: Any, rows: Indices = slice(None)
) -> tuple[Array, ...]:
    """x (which may be several ``inputs``), y and weights, with booleans in y as integers.

    Floating-point data will be converted to the dtype, or float32; ``rows`` gives the position of these data for
    errors.

    Raises:
        TypeError: the data are not numeric.
        ValueError: the data are empty, differ in length, or will not be finite after the conversion, or a weight is
            negative.
    """
    dtype = dtype or "float32"
    for name, array in named(arrays, inputs):
        if array.dtype.kind not in "biuf":
            hint = HINTS.get(array.dtype.kind, "")
            raise TypeError(f"{caller}: expected {name} to hold numbers, got dtype {array.dtype}{hint}")
        if array.ndim == 0:
            raise ValueError(f"{caller}: expected {name} to have an axis of samples, got a single number")
        if array.size == 0:
            raise ValueError(f"{caller}: {name} is empty, of shape {array.shape}")
        if array.dtype.kind == "f" and (fault := not_finite(array, dtype)):
            row, too_large = fault
            held = f"a value beyond {dtype}" if too_large else "NaN or infinity"
            row = int(rows[row]) if isinstance(rows, np.ndarray) else (rows.start or 0) + row
            raise ValueError(f"{caller}: {name} holds {held} in row {row}")
        if len(array) != len(arrays[0]):
            raise ValueError(f"{caller}: x has {len(arrays[0])} samples, {name} has {len(array)}")
    *first, y, weights = (*arrays, None, None)[: inputs + 2]
    if weights is not None:
        weights = _checked_weights(caller, weights, (() if y is None else y.shape), dtype)
    if y is not None and y.dtype.kind == "b":
        y = y.view("uint8")
    return tuple(array for array in (*first, y, weights) if array is not None)


def _checked_weights(caller: str, weights: Array, shape: tuple[int, ...], dtype: Any) -> Array:
    """The weights as floating-point values."""
    if weights.shape != shape[: weights.ndim]:
        raise ValueError(f"{caller}: expected weights of shape {shape[:1]}, got {weights.shape}")
    if weights.min() < 0:
        raise ValueError(f"{caller}: expected weights of at least 0, got {float(weights.min())}")
    return on_host(weights).astype(dtype, copy=False)


def loss_for(caller: str, model: Layer, loss: Loss | None, y: Array) -> Loss:
    """The loss, or the default one for these targets; warns if it takes logits but the model gives probabilities."""
    if loss is None:
        labels = y.dtype.kind in "iu" or (_one_hot(y[:1]) and _one_hot(y))
        loss = SoftmaxCrossEntropy() if labels else HalfSquaredError()
    if not isinstance(loss, Loss):
        raise TypeError(f"{caller}: expected a loss, such as SoftmaxCrossEntropy(), got {loss!r}")
    *_, (_, last) = model.leaves()
    if isinstance(last, Softmax | Sigmoid) and isinstance(loss, SoftmaxCrossEntropy | BinaryCrossEntropy):
        warnings.warn(
            f"{caller}: {loss} takes logits and applies the function itself: remove the model's last layer, {last}",
            stacklevel=5,
        )
    return loss


def _one_hot(y: Array) -> bool:
    """Whether there are several axes, and along the last one element is 1 and the others are 0."""
    if y.ndim < 2 or y.shape[-1] < 2:
        return False
    count_nonzero = np.count_nonzero if isinstance(y, np.ndarray) else xp.count_nonzero
    # each row contains a 1: if there are as many nonzero elements as rows, that is the only one
    return bool((y.max(-1) == 1).all()) and int(count_nonzero(y)) == y.size // y.shape[-1]


def weights_of_classes(
    given: Any, loss: Loss, outputs: tuple[int, ...], labels: Array | None, dtype: Any
) -> np.ndarray:
    """A weight for each class, by the arguments of :func:`class_weights`.

    ``outputs`` is the shape of a batch of the model's outputs; ``labels`` are all targets, if they are in memory.
    """
    classes = 2 if isinstance(loss, BinaryCrossEntropy) else outputs[-1]
    if labels is not None:
        labels = _classes(loss, _as_outputs(labels, outputs, loss, dtype))
    with np.errstate(over="ignore"):
        weights = class_weights(labels, given, classes).astype(dtype)
    if not np.isfinite(weights).all():
        raise ValueError(f"class_weight: expected weights that {dtype} holds")
    return weights


def _classes(loss: Loss, y: Array) -> np.ndarray:
    """The class of each sample; for a row of probabilities, that of the largest."""
    y = on_host(y)
    if y.dtype.kind in "iu":
        return y
    if isinstance(loss, SoftmaxCrossEntropy):
        return y.argmax(-1)
    if not isinstance(loss, BinaryCrossEntropy) or y.shape[-1] > 1:
        raise ValueError(
            f"class_weight: expected one label per sample, got targets {y.dtype} {y.shape} for {loss}: "
            "use sample_weight for samples, or BinaryCrossEntropy's pos_weight for positive labels"
        )
    return (y[..., 0] > 0.5).astype(int)


def fitting(
    caller: str, loss: Loss, outputs: tuple[int, ...], inputs: int, of_class: np.ndarray | None, model: Layer
) -> Callable[[Sequence[Array], Any], Sequence[Array]]:
    """A function that converts a batch's arrays for the loss: targets of the outputs' shape, and one array of weights.

    - One target per sample, (N,), becomes (N, 1) for one output; labels (N, 1) become (N,) for several.
    - Integers of the outputs' shape, one-hot rows or regression targets, become floating-point values.
    - Each class's weight, in ``of_class``, multiplies those of its samples; steps after a sequence's end get the
      weight 0.

    ``outputs`` is the shape of a batch of the model's outputs, ``inputs`` the number of its inputs.
    """
    dtype = model.dtype

    def change(arrays: Sequence[Array], lengths: Any) -> Sequence[Array]:
        y, weights = arrays[inputs], (*arrays, None)[inputs + 1]
        y = _as_outputs(y, outputs, loss, dtype)
        steps: Any
        _, steps = model.with_lengths(of_several(tuple(arrays[:inputs])), lengths)
        if steps is not None:  # there are outputs for each step
            y = y[:, : steps.max()]
            weights = weights[:, : steps.max()] if weights is not None and weights.ndim > 1 else weights
            weights = _times(weights, (np.arange(y.shape[1]) < steps[:, None]).astype(dtype))
        if of_class is not None:
            labels = _classes(loss, y)
            weights = _times(weights, of_class[np.clip(labels, 0, len(of_class) - 1)])  # the loss refuses the clipped
        return [array for array in (*arrays[:inputs], y, weights) if array is not None]

    return change


def _as_outputs(y: Array, outputs: tuple[int, ...], loss: Loss, dtype: Any) -> Array:
    """The targets with the shape and dtype that the loss takes for outputs of this shape."""
    labels = isinstance(loss, SoftmaxCrossEntropy)
    if not labels and y.ndim == len(outputs) - 1 and outputs[-1] == 1:
        y = y[..., None]
    if labels and y.ndim == len(outputs) and y.shape[-1] == 1 < outputs[-1] and y.dtype.kind in "iu":
        y = y[..., 0]
    numbers = isinstance(loss, ElementwiseLoss | HalfSquaredError) or (labels and y.shape[-1] == outputs[-1] > 1)
    return y.astype(dtype) if y.dtype.kind in "iu" and y.ndim == len(outputs) and numbers else y


def _times(weights: np.ndarray | None, others: np.ndarray) -> np.ndarray:
    """The product of weights, given for each sample or label, and others, given for each label."""
    if weights is None:
        return others
    return others * spread(weights, others.ndim)
