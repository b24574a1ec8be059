"""Which tests run where."""

from border import ONCE

collect_ignore = [] if ONCE else ["test_stand_in.py"]
"""It runs the checks in interpreters of their own, on the stand-in whatever this run's backend is: once is enough."""
