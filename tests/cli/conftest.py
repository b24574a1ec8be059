"""Which tests run where."""

import numpy as np
from border import PLAIN

import xpnn as nn

collect_ignore = [] if nn.xp is np and not PLAIN else ["test_runs.py", "test_streams.py"]
"""Files, locks, signals and streams: once is enough."""
