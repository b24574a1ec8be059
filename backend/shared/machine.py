"""Matrix products and the like for this machine, under the same names for NumPy and CuPy."""

from ..select import on_device

if on_device:
    from ..cuda.products import (
        accumulate,
        add_product,
        add_rows,
        aligned,
        aligned_empty,
        gather_columns,
        kernels_at_once,
        matmul,
        narrow_parts,
        small_products,
        sum_of_products,
        view,
    )
else:
    from ..cpu.products import (
        accumulate,
        add_product,
        add_rows,
        aligned,
        aligned_empty,
        gather_columns,
        kernels_at_once,
        matmul,
        narrow_parts,
        small_products,
        sum_of_products,
        view,
    )

__all__ = [
    "accumulate",
    "add_product",
    "add_rows",
    "aligned",
    "aligned_empty",
    "gather_columns",
    "kernels_at_once",
    "matmul",
    "narrow_parts",
    "small_products",
    "sum_of_products",
    "view",
]
