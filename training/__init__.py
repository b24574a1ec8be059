"""Optimisers, the training loop, checkpoints."""

from .adam import Adam, AdamW
from .callbacks import Callback, ProgressBar, Run, TensorBoard
from .checkpoints import Checkpoint, CheckpointWarning
from .ema import EMA
from .files import About, load, load_model, read_about, read_metadata, save
from .find_lr import LRSearch, find_lr
from .history import History
from .inference import evaluate, predict
from .loop import fit
from .metrics import Metric, confusion_matrix, f1, top_k
from .monitors import EarlyStopping, ModelCheckpoint, ReduceLROnPlateau
from .optimizer import Optimizer, clip_grad_norm
from .rmsprop import RMSprop
from .schedules import CosineDecay, OneCycle, Schedule, StepDecay, Warmup
from .score import Score
from .sgd import SGD

__all__ = [
    "EMA",
    "SGD",
    "About",
    "Adam",
    "AdamW",
    "Callback",
    "Checkpoint",
    "CheckpointWarning",
    "CosineDecay",
    "EarlyStopping",
    "History",
    "LRSearch",
    "Metric",
    "ModelCheckpoint",
    "OneCycle",
    "Optimizer",
    "ProgressBar",
    "RMSprop",
    "ReduceLROnPlateau",
    "Run",
    "Schedule",
    "Score",
    "StepDecay",
    "TensorBoard",
    "Warmup",
    "clip_grad_norm",
    "confusion_matrix",
    "evaluate",
    "f1",
    "find_lr",
    "fit",
    "load",
    "load_model",
    "predict",
    "read_about",
    "read_metadata",
    "save",
    "top_k",
]
