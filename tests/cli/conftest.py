"""Which tests run where."""

from border import ONCE

collect_ignore = [] if ONCE else ["test_runs.py", "test_sources.py", "test_streams.py"]
"""Data, files, locks, signals and streams: once is enough."""
