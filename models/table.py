"""The tables that networks print."""

from collections.abc import Iterable, Sequence
from typing import Any

from ..layers import Layer
from ..layers.base import several


def aligned(rows: Sequence[Sequence[str]], numbers: bool = False) -> str:
    """The rows with aligned columns; with ``numbers`` the last column is aligned on the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = ["<"] * (len(widths) - 1) + [">" if numbers else "<"]
    lines = ("  ".join(f"{text:{side}{n}}" for text, side, n in zip(row, sides, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def summarised(model: Layer, layers: Iterable[tuple[str, Layer, Any]], reads: Sequence[str] = ()) -> str:
    """Each layer with its output's shape (N is the batch) and its number of parameters.

    Args:
        model: made of the layers; the parameters of a layer that occurs twice are counted where it occurs first.
        layers: for each layer its name, the layer, and its output for one sample, or None.
        reads: each layer's inputs, if the table is to show them.
    """
    rows = [["layer", *(["reads"] if reads else []), "output shape", "parameters"]]
    counted: set[int] = set()
    for name, layer, y in layers:
        title = f"{name} {layer}"
        each = () if y is None else several(y)
        shape = ", ".join("(" + ", ".join(["N", *map(str, one.shape[1:])]) + ")" for one in each)
        new = {id(leaf): leaf for _, leaf in layer.leaves() if id(leaf) not in counted}
        counted |= new.keys()
        size = sum(value.size for leaf in new.values() for value in leaf.params.values())
        source = [reads[len(rows) - 1]] if reads else []
        rows.append([title if len(title) <= 60 else title[:59] + "…", *source, shape, f"{size:,}"])
    sums = {"total": model.flat_params.size}
    frozen = [leaf for _, leaf in model.leaves() if not leaf.trainable]
    if size := sum(value.size for leaf in frozen for value in leaf.params.values()):
        sums["frozen"] = size
    rows += [[name, *([""] if reads else []), "", f"{size:,}"] for name, size in sums.items()]
    return aligned(rows, numbers=True)
