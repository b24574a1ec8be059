"""Which tests run where."""

import numpy as np
from border import PLAIN

import xpnn as nn

collect_ignore = [] if nn.xp is np and not PLAIN else ["test_equations_page.py"]
"""It runs the other tests of this folder under ``NN_PLAIN=1`` itself, so once is enough."""
