"""Real data sets as host arrays, and batches of them; independent of the backend."""

from .augment import Augmented
from .batches import batches
from .encoder import TableEncoder
from .idx import read_idx, write_idx
from .images import ImageData, load_images
from .preprocessing import Pixels, Preprocessing
from .sequences import bucketed, pad
from .table import TableData, load_table
from .text import TextData, load_text, windows
from .weights import class_weights

__all__ = [
    "Augmented",
    "ImageData",
    "Pixels",
    "Preprocessing",
    "TableData",
    "TableEncoder",
    "TextData",
    "batches",
    "bucketed",
    "class_weights",
    "load_images",
    "load_table",
    "load_text",
    "pad",
    "read_idx",
    "windows",
    "write_idx",
]
