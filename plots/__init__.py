"""Figures of a run, a network and its response to an input: functions that return a matplotlib ``Figure``.

They need the extra ``[plots]``, and do not depend on training: a history is any table of rows.
"""

from .classes import confusion_matrix, wrong
from .curves import curves
from .inside import feature_maps, filters, saliency, weights
from .states import states

__all__ = ["confusion_matrix", "curves", "feature_maps", "filters", "saliency", "states", "weights", "wrong"]
