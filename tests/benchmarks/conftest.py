"""Which tests run where."""

import sys
from pathlib import Path

from border import ONCE

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

collect_ignore = [] if ONCE else ["test_allreduce.py", "test_gpu.py", "test_odd_inputs.py"]
"""They start processes of their own, or have NumPy's words: once is enough."""
