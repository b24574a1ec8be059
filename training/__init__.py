"""Optimisers, the training loop, checkpoints."""

from .adam import Adam, AdamW
from .checkpoint import load, read_metadata, save
from .ema import EMA
from .find_lr import LRSearch, find_lr
from .history import History
from .loop import evaluate, fit, predict
from .optimizer import Optimizer, clip_grad_norm
from .rmsprop import RMSprop
from .schedules import CosineDecay, OneCycle, Schedule, StepDecay, Warmup
from .score import Score
from .sgd import SGD

__all__ = [
    "EMA",
    "SGD",
    "Adam",
    "AdamW",
    "CosineDecay",
    "History",
    "LRSearch",
    "OneCycle",
    "Optimizer",
    "RMSprop",
    "Schedule",
    "Score",
    "StepDecay",
    "Warmup",
    "clip_grad_norm",
    "evaluate",
    "find_lr",
    "fit",
    "load",
    "predict",
    "read_metadata",
    "save",
]
