"""The gradients of one thread's slices of a batch, before they are added to the layer's gradients."""

from collections.abc import Iterator, MutableMapping

import numpy as np

from ..select import Array


class Share(MutableMapping[str, Array]):
    """A layer's gradients for one of several threads: the thread's own arrays, which start at 0.

    The first thread writes to the layer's arrays directly. Products are postponed in ``products``, since one product
    over all slices takes less time than one for each slice.

    Args:
        totals: the layer's gradients.
        first: whether this is the first thread's share.
    """

    def __init__(self, totals: MutableMapping[str, Array], first: bool) -> None:
        self.products: dict[str, list[tuple[Array, Array]]] = {}
        self.arrays: dict[str, Array] = {}
        self._totals, self._first = totals, first

    def __getitem__(self, key: str) -> Array:
        if self._first:
            return self._totals[key]
        if key not in self.arrays:
            self.arrays[key] = np.zeros_like(self._totals[key])
        return self.arrays[key]

    def __setitem__(self, key: str, value: Array) -> None:
        place = self[key]
        if value is not place:  # ``grads[key] += gradient`` has added in place and assigns the same array
            place[...] = value

    def __delitem__(self, key: str) -> None:
        raise TypeError("gradients cannot be removed")

    def __iter__(self) -> Iterator[str]:
        return iter(self._totals)

    def __len__(self) -> int:
        return len(self._totals)

    def postpone(self, key: str, a: Array, b: Array) -> None:
        """Record grads[key] += a @ b for later."""
        self.products.setdefault(key, []).append((a, b))
