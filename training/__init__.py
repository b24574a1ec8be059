"""Optimisers, the training loop, checkpoints."""

from .checkpoint import load, read_metadata, save
from .history import History
from .loop import Score, evaluate, fit, predict
from .optimizers import SGD, Adam, AdamW, Optimizer, clip_grad_norm
from .schedules import CosineDecay, Schedule, StepDecay

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "CosineDecay",
    "History",
    "Optimizer",
    "Schedule",
    "Score",
    "StepDecay",
    "clip_grad_norm",
    "evaluate",
    "fit",
    "load",
    "predict",
    "read_metadata",
    "save",
]
