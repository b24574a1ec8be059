"""All that is planted outside of equations and forms."""

from .in_explore import EXPLORE
from .in_optimizers import OPTIMIZERS
from .in_plots import PLOTS
from .in_readers import READERS
from .in_saving import SAVING
from .in_sequences import SEQUENCES
from .in_training import TRAINING

ELSEWHERE = SAVING + READERS + SEQUENCES + TRAINING + OPTIMIZERS + PLOTS + EXPLORE
