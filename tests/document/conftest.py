"""Which tests run where."""

from border import ONCE

collect_ignore = [] if ONCE else ["test_equations_page.py"]
"""It runs the other tests of this folder under ``NN_PLAIN=1`` itself, so once is enough."""
