"""The only rooms that know which array library runs: NumPy, or CuPy where ``NN_BACKEND=cupy``."""

from .im2col import Tile, col2im, im2col, output_size, tiles, windows
from .select import Array, BackendError, Rng, asarray, check, describe, name, synchronize, to_numpy, xp
from .threads import in_parallel, part, parts

__all__ = [
    "Array",
    "BackendError",
    "Rng",
    "Tile",
    "asarray",
    "check",
    "col2im",
    "describe",
    "im2col",
    "in_parallel",
    "name",
    "output_size",
    "part",
    "parts",
    "synchronize",
    "tiles",
    "to_numpy",
    "windows",
    "xp",
]
