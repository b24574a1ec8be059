"""Real data sets as host arrays, and batches of them; independent of the backend."""

from .batches import batches
from .class_weights import class_weights
from .idx import read_idx
from .images import ImageData, load_images
from .sequences import bucketed, pad
from .text import TextData, load_text, windows

__all__ = [
    "ImageData",
    "TextData",
    "batches",
    "bucketed",
    "class_weights",
    "load_images",
    "load_text",
    "pad",
    "read_idx",
    "windows",
]
