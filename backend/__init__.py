"""The only rooms that know which array library runs: NumPy, or CuPy where ``NN_BACKEND=cupy``."""

from .capture import captured
from .errors import BackendError, explained
from .gemm import matmul
from .im2col import col2im, im2col, output_size, row_blocks
from .select import Array, Rng, asarray, check, describe, name, synchronize, to_numpy, xp
from .stream import prefetch

__all__ = [
    "Array",
    "BackendError",
    "Rng",
    "asarray",
    "captured",
    "check",
    "col2im",
    "describe",
    "explained",
    "im2col",
    "matmul",
    "name",
    "output_size",
    "prefetch",
    "row_blocks",
    "synchronize",
    "to_numpy",
    "xp",
]
