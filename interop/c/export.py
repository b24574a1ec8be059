"""Write xpnn networks as C."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...backend import asarray
from ...data import Pixels
from ...data.files import write_file
from ...layers import Bidirectional, Embedding, Layer
from ...layers.recurrent import Recurrent
from ...models import Graph
from .code import Code
from .int8 import quantised


@dataclass(frozen=True)
class Exported:
    """The memory that a file written by :func:`export` needs on a chip.

    Attributes:
        path: the file.
        ram: bytes of the workspace, without the caller's x, y and state, and without the stack.
        flash: bytes of weights and other constants, without the code.
        state: elements of the state of ``xpnn_step``; None if there is no such function.

    >>> from xpnn.interop import c
    >>> c.export(MLP((4, 3), rng=0), "model.c").flash  # 15 weights of 4 bytes
    60
    """

    path: Path
    ram: int
    flash: int
    state: int | None = None

    def __str__(self) -> str:
        step = "" if self.state is None else f"; a step's state has {4 * self.state:,} bytes"
        return f"wrote {self.path}: {self.ram:,} bytes of RAM, {self.flash:,} bytes of flash beside the code{step}"


def export(
    model: Layer,
    path: str | Path,
    *,
    input_shape: Sequence[Any] | None = None,
    sample: Any = None,
    int8: bool = False,
    name: str = "xpnn",
    classes: Sequence[str] = (),
    preprocessing: Pixels | None = None,
) -> Exported:
    """Write a network for inference as one C99 file, ``void xpnn_predict(const float *x, float *y)``.

    The file needs no other files, allocates no memory and computes in float32. docs/c.md describes it.

    Args:
        model: a layer or network of xpnn's.
        path: the file, which is replaced if it exists.
        input_shape: the shape of one sample; for several inputs, a tuple of shapes. By default the model's own.
        sample: (N, ...), inputs of which ``-DXPNN_TEST`` computes the first; for several inputs, a tuple of arrays. By
            default drawn at random.
        int8: whether weights become whole numbers of one byte, times a scale for each output channel. Measure the loss
            of accuracy with :func:`quantised`.
        name: the prefix of the names of the file's functions and macros.
        classes: the outputs' names.
        preprocessing: turns a picture's bytes into an input, in ``void xpnn_pixels(const uint8_t *, float *)``.

    Raises:
        FloatingPointError: a parameter is NaN or infinite in float32.
        OSError: the file cannot be written; an existing one is kept, as by :func:`xpnn.save`.
        TypeError: the model is not a layer, or contains layers that are not xpnn's own; all of them are named.
        ValueError: the shape of the input is unknown or does not fit the model; or ``name`` is not a name in C.

    >>> from xpnn.interop import c
    >>> print(c.export(MLP((4, 3), rng=0), "model.c"))
    wrote model.c: ... bytes of RAM, 60 bytes of flash beside the code
    """
    if not isinstance(model, Layer):
        raise TypeError(f"export: expected a layer or a network, got {type(model).__name__}")
    if not (name.isascii() and name.isidentifier()):
        raise ValueError(f"export: expected a name in C, got {name!r}")
    used = quantised(model) if int8 else model
    x = _inputs(used, input_shape, sample)
    code = Code(used, x, int8, name, _steps(used, x))
    if spoilt := code.not_finite():
        raise FloatingPointError(f"export: {spoilt} holds NaN or infinity in float32, so the file would be useless")
    write_file(path, code.file(classes, preprocessing).encode())
    return Exported(Path(path), code.ram, code.flash, code.state)


def _first(model: Layer, index: int) -> Layer:
    """The layer that first reads the input with this index."""
    if isinstance(model, Graph):
        model = next(layer for layer, *reads in model.nodes.values() if model.inputs[index] in reads)
    return next(leaf for _, leaf in model.leaves())


def _inputs(model: Layer, shape: Sequence[Any] | None, sample: Any) -> tuple[Any, ...]:
    """For each input one sample, as an array (1, ...)."""
    dtype, rng = model.dtype or "float32", np.random.default_rng(0)
    if sample is None:
        shape = getattr(model, "input_shape", None) if shape is None else shape
        if shape is None and not model.joins:
            shape = (getattr(_first(model, 0), "in_features", None),)
        if shape is None or None in shape:
            raise ValueError(f"export: the shape of {type(model).__name__}'s input is unknown: give input_shape")
        firsts = [_first(model, index) for index in range(len(shape) if model.joins else 1)]
        drawn = (
            rng.integers(0, first.num_embeddings, (1, *one))
            if isinstance(first, Embedding)
            else rng.standard_normal((1, *one))
            for first, one in zip(firsts, shape if model.joins else (shape,), strict=True)
        )
        sample = tuple(drawn) if model.joins else next(drawn)
    given = (asarray(one[:1]) for one in (sample if model.joins else (sample,)))
    return tuple(asarray(one, dtype) if one.dtype.kind == "f" else one for one in given)


def _steps(model: Layer, x: tuple[Any, ...]) -> bool:
    """Whether the network reads a sequence step by step: each output depends only on the steps up to its own."""
    parts = [model]
    for part in parts:
        parts += [child for _, child in part.children()]
    if len(x) > 1 or not any(isinstance(part, Recurrent) for part in parts):
        return False
    if any(isinstance(part, Bidirectional) or (isinstance(part, Recurrent) and part.joins) for part in parts):
        return False
    try:
        model(x[0], lengths=[x[0].shape[1]])  # raises if a layer mixes steps
    except ValueError:
        return False
    return True
