"""Which tests run where."""

import numpy as np
from border import PLAIN

import xpnn as nn

collect_ignore_glob = [] if nn.xp is np and not PLAIN else ["test_planted_*.py"]
"""Errors in equations, which these run plain themselves, in a CPU's forms, in files and signals: once is enough."""
