"""Checkpoints of a run: everything that it needs to be resumed, bit for bit."""

from .folder import Checkpoint, CheckpointWarning
from .keeper import Keeper, keeping

__all__ = ["Checkpoint", "CheckpointWarning", "Keeper", "keeping"]
