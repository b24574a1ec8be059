"""Which tests run where."""

import numpy as np

import xpnn as nn

collect_ignore = [] if nn.xp is np else ["test_planted_errors.py"]
"""Errors in equations and in a CPU's forms: the same code on each array library, and slow on the stand-in."""
