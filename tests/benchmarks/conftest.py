"""Which tests run where."""

import sys
from pathlib import Path

from border import ONCE

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

collect_ignore = [] if ONCE else ["test_allreduce.py", "test_gpu.py"]
"""It starts processes of its own: once is enough."""
