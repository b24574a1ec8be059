"""The only rooms that know which array library runs: NumPy, or CuPy where ``NN_BACKEND=cupy``."""

from .im2col import col2im, im2col, output_size, row_blocks
from .select import Array, BackendError, Rng, asarray, check, describe, name, synchronize, to_numpy, xp

__all__ = [
    "Array",
    "BackendError",
    "Rng",
    "asarray",
    "check",
    "col2im",
    "describe",
    "im2col",
    "name",
    "output_size",
    "row_blocks",
    "synchronize",
    "to_numpy",
    "xp",
]
