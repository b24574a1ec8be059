"""Optimisers, the training loop, checkpoints."""

from .adam import Adam, AdamW
from .checkpoint import load, read_metadata, save
from .history import History
from .loop import evaluate, fit, predict
from .optimizer import Optimizer, clip_grad_norm
from .schedules import CosineDecay, Schedule, StepDecay
from .score import Score
from .sgd import SGD

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
