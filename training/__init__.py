"""Optimisers, the training loop, checkpoints."""

from .adam import Adam, AdamW
from .callbacks import Callback, EarlyStopping, ModelCheckpoint, ProgressBar, ReduceLROnPlateau, Run, TensorBoard
from .checkpoint import load, read_metadata, save
from .history import History
from .loop import evaluate, fit, predict
from .metrics import Metric, confusion_matrix, f1, top_k
from .optimizer import Optimizer, clip_grad_norm
from .schedules import CosineDecay, Schedule, StepDecay
from .score import Score
from .sgd import SGD

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Callback",
    "CosineDecay",
    "EarlyStopping",
    "History",
    "Metric",
    "ModelCheckpoint",
    "Optimizer",
    "ProgressBar",
    "ReduceLROnPlateau",
    "Run",
    "Schedule",
    "Score",
    "StepDecay",
    "TensorBoard",
    "clip_grad_norm",
    "confusion_matrix",
    "evaluate",
    "f1",
    "fit",
    "load",
    "predict",
    "read_metadata",
    "save",
    "top_k",
]
