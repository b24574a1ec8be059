"""xpnn: neural networks written by hand, forward and backward, on NumPy or CuPy.

    import xpnn as nn

The rooms: ``backend`` chooses the array library, ``layers`` holds one differentiable function a file, ``models`` puts
layers in a row, ``training`` has optimisers and the loop, ``data`` real data sets.
"""

from .backend import BackendError, asarray, describe, synchronize, to_numpy, xp
from .data import ImageData, TextData, batches, load_images, load_text, read_idx, windows
from .layers import (
    RNN,
    AvgPool2D,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    HalfSquaredError,
    Layer,
    LeakyReLU,
    Loss,
    MaxPool2D,
    ReLU,
    Sigmoid,
    Softmax,
    SoftmaxCrossEntropy,
    Tanh,
)
from .models import MLP, CharRNN, LeNet5, RNNClassifier, Sequential
from .training import (
    SGD,
    Adam,
    AdamW,
    CosineDecay,
    History,
    Optimizer,
    Score,
    StepDecay,
    clip_grad_norm,
    evaluate,
    fit,
    load,
    predict,
    read_metadata,
    save,
)

__version__ = "0.1.0"

__all__ = [
    "MLP",
    "RNN",
    "SGD",
    "Adam",
    "AdamW",
    "AvgPool2D",
    "BackendError",
    "CharRNN",
    "Conv2D",
    "CosineDecay",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "HalfSquaredError",
    "History",
    "ImageData",
    "Layer",
    "LeNet5",
    "LeakyReLU",
    "Loss",
    "MaxPool2D",
    "Optimizer",
    "RNNClassifier",
    "ReLU",
    "Score",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "SoftmaxCrossEntropy",
    "StepDecay",
    "Tanh",
    "TextData",
    "asarray",
    "batches",
    "clip_grad_norm",
    "describe",
    "evaluate",
    "fit",
    "load",
    "load_images",
    "load_text",
    "predict",
    "read_idx",
    "read_metadata",
    "save",
    "synchronize",
    "to_numpy",
    "windows",
    "xp",
]
