"""Which tests run where."""

from border import ONCE

collect_ignore = [] if ONCE else ["test_gpu.py"]
"""It starts processes of its own: once is enough."""
