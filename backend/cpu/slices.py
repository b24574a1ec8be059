"""A network on slices of a batch, on several threads at a time."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..select import Array
from .blas import gemm
from .numpy_blas import blas_threads, single_threaded_blas
from .shares import Share
from .threads import in_parallel

Passes = Callable[..., tuple[Array, Callable[[Array], Array | None]]]


def in_slices(
    run: Passes, layers: Sequence[Any], x: Array, slices: list[slice], needs_dx: bool
) -> tuple[Array, Callable[[Array], Array | None]]:
    """Each of n threads runs every n-th slice through twins of the layers, which add to the thread's own gradients."""
    shares: list[dict[Any, Share]] = [{} for _ in range(min(len(slices), blas_threads()))]
    twins = [[_twin(layer, own, first=own is shares[0]) for layer in layers] for own in shares]
    tasks = [partial(run, twins[i % len(twins)], x[s], needs_dx) for i, s in enumerate(slices)]
    outputs, steps = zip(*in_parallel(tasks, len(twins)), strict=True)

    def backward(dy: Array) -> Array | None:
        dx = in_parallel([partial(step, dy[s]) for step, s in zip(steps, slices, strict=True)], len(twins))
        _collect(shares)
        return None if dx[0] is None else np.concatenate(dx)

    return np.concatenate(outputs), backward


def _twin(layer: Any, shares: dict[Any, Share], first: bool) -> Any:
    """The layer's twin, in which shares replace the gradients of the layer and of its children."""

    def share(leaf: Any) -> Share:
        if leaf not in shares:  # a layer may occur in the network twice
            shares[leaf] = Share(leaf.grads, first)
        return shares[leaf]

    return layer.twin(share)


def _collect(shares: list[dict[Any, Share]]) -> None:
    """Add every share to its layer's gradients, in the order of the threads, with one product for all slices."""
    for leaf, first in shares[0].items():
        own = [share[leaf] for share in shares]
        for share in own:
            for key, array in share.arrays.items():
                total = first[key]
                total += array
            share.arrays = {}
        for key in first:
            products = [product for share in own for product in share.products.pop(key, ())]
            if products:
                left, right = zip(*products, strict=True)
                with single_threaded_blas():  # BLAS's threads would spin on the cores that the next slices need
                    gemm(first[key], np.concatenate(left, axis=1), np.concatenate(right))
