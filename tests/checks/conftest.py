"""Which tests run where."""

from border import ONCE

collect_ignore_glob = [] if ONCE else ["test_planted_*.py"]
"""Errors in equations, which these run plain themselves, in a CPU's forms, in files and signals: once is enough."""
