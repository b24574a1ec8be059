"""Real data sets as host arrays, and batches of them; independent of the backend."""

from .batches import batches
from .idx import read_idx
from .images import ImageData, load_images
from .text import TextData, load_text, windows

__all__ = ["ImageData", "TextData", "batches", "load_images", "load_text", "read_idx", "windows"]
