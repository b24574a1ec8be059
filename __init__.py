"""xpnn: neural networks written by hand, forward and backward, on NumPy or CuPy.

    import xpnn as nn

Packages: ``backend`` chooses the array library, ``layers`` has the differentiable functions, ``models`` networks of
layers, ``plots`` figures, ``training`` optimisers and the training loop, ``checks`` the gradient check, ``learn``
exercises, ``data`` real data sets.
"""

from .cli import start as _start  # noqa: F401 - Ctrl-C during all the other imports

# isort: split
from . import checks, data, layers, learn, models, plots, training
from .backend import BackendError, RankError, Ranks, asarray, describe, mpi, synchronize, to_numpy, xp
from .checks import *
from .data import *
from .layers import *
from .models import *
from .training import *

__version__ = "0.1.0"

__all__ = ["BackendError", "RankError", "Ranks", "asarray", "describe", "learn", "mpi", "plots"]
__all__ += ["synchronize", "to_numpy", "xp"]
__all__ += checks.__all__
__all__ += data.__all__
__all__ += layers.__all__
__all__ += models.__all__
__all__ += training.__all__
