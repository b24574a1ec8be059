"""Each value times a factor, plus an offset."""

import numpy as np

from ...backend import Array, xp
from ..base import Backward, Layer
from ..parameters import Parameters
from .joins import _summed


class Affine(Layer):
    """Each value times a factor, plus an offset, both repeated along the axes where they have length 1::

        y       = s x + o
        dE/dx   = s dE/dy
        dE/ds   = sum of x dE/dy        dE/do = sum of dE/dy        over the samples and the axes of length 1

    Args:
        shape: the shape of s (initially 1) and o (initially 0): for each axis of x but the first, its length or 1; ()
            for a single s and a single o, whatever x's shape.
        learned: whether s and o are parameters; else they are ``buffers``, saved but not trained, such as a scaling of
            the data.
        dtype: of s, o and the input.

    Shapes: input (N, ...), output likewise, but larger along axes where x has length 1 and ``shape`` more; s and o have
    ``shape``.

    Raises:
        ValueError: the input has another number of axes, or an axis of another length.

    >>> layer = Affine((3, 1, 1))
    >>> layer(asarray(np.ones((2, 3, 4, 4)))).shape
    (2, 3, 4, 4)
    """

    separable = True

    def __init__(self, shape: tuple[int, ...], learned: bool = True, *, dtype: str = "float32") -> None:
        first = {"scale": np.ones(shape, dtype), "offset": np.zeros(shape, dtype)}
        super().__init__(**(first if learned else {}))
        if not learned:
            self.buffers = Parameters(**{key: xp.asarray(value) for key, value in first.items()})
        self.shape, self.learned = tuple(shape), learned

    @property
    def keeps_steps(self) -> bool:  # type: ignore[override]
        return not self.shape or self.shape[0] == 1

    def forward(self, x: Array, needs_dx: bool = True) -> tuple[Array, Backward]:
        self._check(x, *["N", *(f"axis {k + 1}" for k in range(len(self.shape)))] if self.shape else ["..."])
        if any(len({n, m} - {1}) > 1 for n, m in zip(x.shape[1:], self.shape, strict=False)):
            raise ValueError(f"{self}: expected input whose axes are as long as those of {self.shape}, got {x.shape}")
        own, shape = self.params if self.learned else self.buffers, (1, *(self.shape or (1,) * (x.ndim - 1)))
        scale, offset = own["scale"].reshape(shape), own["offset"].reshape(shape)

        def backward(dy: Array) -> Array | None:
            if self.learned:
                self.grads["scale"] += _summed(dy * x, scale.shape).reshape(self.shape)
                self.grads["offset"] += _summed(dy, offset.shape).reshape(self.shape)
            return _summed(dy * scale, x.shape) if needs_dx else None

        return scale * x + offset, backward
