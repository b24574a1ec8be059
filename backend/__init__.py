"""The only package that knows the array library: NumPy, or CuPy where ``NN_BACKEND=cupy``."""

from .accelerate import accelerated, runs_by
from .border import asarray, check, synchronize, to_numpy
from .errors import BackendError, DeviceLostError, explained
from .mpi_ranks import mpi
from .ranks import ALONE, RankError, Ranks
from .select import Array, Params, Rng, describe, name, xp
from .shared.window import Pair, Window
from .steps import batch_slices, captured, prefetch

__all__ = [
    "ALONE",
    "Array",
    "BackendError",
    "DeviceLostError",
    "Pair",
    "Params",
    "RankError",
    "Ranks",
    "Rng",
    "Window",
    "accelerated",
    "asarray",
    "batch_slices",
    "captured",
    "check",
    "describe",
    "explained",
    "mpi",
    "name",
    "prefetch",
    "runs_by",
    "synchronize",
    "to_numpy",
    "xp",
]
