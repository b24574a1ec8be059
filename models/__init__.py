"""Networks made of layers."""

from .graph import Graph
from .lenet5 import LeNet5
from .mlp import MLP
from .recurrent import CharRNN, RNNClassifier
from .sequential import Sequential

__all__ = ["MLP", "CharRNN", "Graph", "LeNet5", "RNNClassifier", "Sequential"]
