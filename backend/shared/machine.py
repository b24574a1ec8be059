"""The products for the current backend, under the same names for NumPy and for CuPy."""

from importlib import import_module
from typing import Any

from ..select import on_device

products: Any = import_module("..cuda.products" if on_device else "..cpu.products", __package__)
