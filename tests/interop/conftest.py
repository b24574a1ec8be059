"""Which tests run where."""

from border import ONCE
from chip import NO_COMPILER

collect_ignore = [] if ONCE and not NO_COMPILER else ["test_c.py"]
"""Files that are compiled: once is enough."""
