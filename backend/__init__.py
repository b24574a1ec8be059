"""The only package that knows the array library: NumPy, or CuPy where ``NN_BACKEND=cupy``."""

from .accelerate import accelerated, runs_by
from .border import asarray, check, synchronize, to_numpy
from .errors import BackendError, DeviceLostError, explained
from .select import Array, Params, Rng, describe, name, xp
from .shared.window import Pair, Window
from .steps import batch_slices, captured, prefetch

__all__ = [
    "Array",
    "BackendError",
    "DeviceLostError",
    "Pair",
    "Params",
    "Rng",
    "Window",
    "accelerated",
    "asarray",
    "batch_slices",
    "captured",
    "check",
    "describe",
    "explained",
    "name",
    "prefetch",
    "runs_by",
    "synchronize",
    "to_numpy",
    "xp",
]
