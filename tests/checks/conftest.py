"""Which tests run where."""

import numpy as np
from border import PLAIN

import xpnn as nn

collect_ignore = [] if nn.xp is np and not PLAIN else ["test_planted_errors.py"]
"""Errors in equations, which it runs plain itself, and in a CPU's forms: the same everywhere, so once is enough."""
