"""One network, and its optimiser, in a file."""

from .load_model import About, load_model, read_about
from .saving import load, read_metadata, save

__all__ = ["About", "load", "load_model", "read_about", "read_metadata", "save"]
