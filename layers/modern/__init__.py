"""Layers that the source document does not have, and exported networks ask for."""

from .joins import Add, Concat, Multiply

__all__ = ["Add", "Concat", "Multiply"]
