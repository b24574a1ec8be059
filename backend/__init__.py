"""The only rooms that know which array library runs: NumPy, or CuPy where ``NN_BACKEND=cupy``."""

from .blas import add_product, axpby
from .capture import captured, moved
from .errors import BackendError, DeviceLostError, explained
from .fusion import fused
from .gemm import matmul
from .im2col import Pair, Tile, batch_first, col2im, im2col, output_sizes, rows_first, tiles, turned_windows
from .memory import cache_blocks, keep_freed_memory
from .numpy_blas import aligned, aligned_empty, kernels_at_once, narrow_parts, single_threaded_blas
from .products import add_rows_at, small_products, sum_of_products
from .select import Array, Rng, asarray, check, describe, name, synchronize, to_numpy, xp
from .stream import prefetch
from .threads import divided, in_parallel, part, parts

keep_freed_memory()

__all__ = [
    "Array",
    "BackendError",
    "DeviceLostError",
    "Pair",
    "Rng",
    "Tile",
    "add_product",
    "add_rows_at",
    "aligned",
    "aligned_empty",
    "asarray",
    "axpby",
    "batch_first",
    "cache_blocks",
    "captured",
    "check",
    "col2im",
    "describe",
    "divided",
    "explained",
    "fused",
    "im2col",
    "in_parallel",
    "kernels_at_once",
    "matmul",
    "moved",
    "name",
    "narrow_parts",
    "output_sizes",
    "part",
    "parts",
    "prefetch",
    "rows_first",
    "single_threaded_blas",
    "small_products",
    "sum_of_products",
    "synchronize",
    "tiles",
    "to_numpy",
    "turned_windows",
    "xp",
]
